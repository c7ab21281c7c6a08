const PLACE = 'bursar.place';

/** Where somebody wants to come back to, after signing in by a link or topping up. */
export function leavePlace(path: string): void {
  sessionStorage.setItem(PLACE, path);
}

/** The place that was left, without forgetting it; `null` if there is none. */
export function seePlace(): string | null {
  const place = sessionStorage.getItem(PLACE);
  // Only paths of ours: `//host` is somebody else's.
  return place?.startsWith('/') && !place.startsWith('//') ? place : null;
}

/** The place that was left, once; `null` if there is none. */
export function takePlace(): string | null {
  const place = seePlace();
  sessionStorage.removeItem(PLACE);
  return place;
}

/** What somebody began with before there was a thread: said, or handed over, when its page opens. */
export interface Opening {
  readonly text: string | null;
  readonly files: readonly File[];
}

const openings = new Map<string, Opening>();

export function leaveOpening(threadId: string, opening: Opening): void {
  openings.set(threadId, opening);
}

/** Once. */
export function takeOpening(threadId: string): Opening | null {
  const opening = openings.get(threadId) ?? null;
  openings.delete(threadId);
  return opening;
}

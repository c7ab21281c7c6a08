import { useEffect, useState } from 'react';

const secondsUntil = (at: number) => Math.max(0, Math.ceil((at - Date.now()) / 1000));

/** Whole seconds until then, counting; `null` where nothing is waited for. */
export function useCountdown(at: number | null): number | null {
  const [seconds, setSeconds] = useState(() => (at === null ? null : secondsUntil(at)));
  useEffect(() => {
    const tell = () => setSeconds(at === null ? null : secondsUntil(at));
    tell();
    if (at === null) return;
    const timer = setInterval(tell, 250);
    return () => clearInterval(timer);
  }, [at]);
  return seconds;
}

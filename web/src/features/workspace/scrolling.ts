import { type RefObject, useCallback, useEffect, useRef, useState } from 'react';

const NEAR_PIXELS = 48;

interface Scrolling {
  readonly box: RefObject<HTMLDivElement | null>;
  readonly content: RefObject<HTMLDivElement | null>;
  readonly isAtEnd: boolean;
  readonly toEnd: () => void;
}

/** Whoever reads at the end stays there while more comes; whoever has scrolled back is left alone. */
export function useScrolling(): Scrolling {
  const box = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const sticks = useRef(true);
  const [isAtEnd, setIsAtEnd] = useState(true);
  const toEnd = useCallback(() => {
    sticks.current = true;
    setIsAtEnd(true);
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  }, []);
  useEffect(() => {
    const [outer, inner] = [box.current, content.current];
    if (outer === null || inner === null) return;
    let top = outer.scrollTop;
    const scrolled = () => {
      const isNear = outer.scrollHeight - outer.scrollTop - outer.clientHeight < NEAR_PIXELS;
      // What grows moves the end away; only a reader goes up.
      if (isNear) sticks.current = true;
      else if (outer.scrollTop < top) sticks.current = false;
      top = outer.scrollTop;
      setIsAtEnd(isNear || sticks.current);
    };
    const grown = new ResizeObserver(() => {
      if (sticks.current) outer.scrollTop = outer.scrollHeight;
    });
    outer.addEventListener('scroll', scrolled, { passive: true });
    grown.observe(inner);
    grown.observe(outer);
    return () => {
      outer.removeEventListener('scroll', scrolled);
      grown.disconnect();
    };
  }, []);
  return { box, content, isAtEnd, toEnd };
}

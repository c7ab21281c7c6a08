import { useCallback, useState } from 'react';

const PREFIX = 'bursar.draft.';

/** Puts a text back that could not be sent. */
export function keepDraft(name: string, text: string): void {
  sessionStorage.setItem(PREFIX + name, text);
}

/** A text that was not sent yet, for this tab: it is there again after a look at another page. */
export function useDraft(name: string): readonly [string, (text: string) => void] {
  const [text, setText] = useState(() => sessionStorage.getItem(PREFIX + name) ?? '');
  const change = useCallback(
    (next: string) => {
      setText(next);
      if (next === '') sessionStorage.removeItem(PREFIX + name);
      else sessionStorage.setItem(PREFIX + name, next);
    },
    [name],
  );
  return [text, change];
}

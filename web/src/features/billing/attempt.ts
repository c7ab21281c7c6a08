import { useState } from 'react';

export interface Attempts {
  /** The `Idempotency-Key` of a request: the same for the same content, until it is known to have gone through. */
  readonly keyFor: (content: unknown) => string;
  /** What comes now is meant as something new, even with the same content. */
  readonly done: () => void;
}

// `crypto.randomUUID` is missing on pages that do not come over https.
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function createAttempts(): Attempts {
  let current: { content: string; key: string } | null = null;
  return {
    keyFor: (content) => {
      const text = JSON.stringify(content);
      if (current?.content !== text) current = { content: text, key: newKey() };
      return current.key;
    },
    done: () => {
      current = null;
    },
  };
}

/** Keys for a form that moves money: an answer that was lost and asked for again must not move it twice. */
export function useAttempts(): Attempts {
  const [attempts] = useState(createAttempts);
  return attempts;
}

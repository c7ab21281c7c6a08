interface TrustedTypes {
  createPolicy(name: string, rules: { createHTML: (text: string) => string }): unknown;
}

/**
 * The server lets text become HTML only by a policy named `default`, and this one lets no markup pass: what is written
 * into style sheets has none, and everything else is built as elements. Whatever a model writes stays text.
 */
export function forbidMarkup(): void {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  trustedTypes?.createPolicy('default', {
    createHTML(text) {
      if (text.includes('<')) throw new TypeError('Text must not become markup');
      return text;
    },
  });
}

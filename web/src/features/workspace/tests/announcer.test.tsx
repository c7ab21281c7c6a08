import { render } from '@testing-library/react';
import { expect, it } from 'vitest';
import { setLanguage } from '../../../shared/i18n/index.ts';
import { Announcer } from '../announcer.tsx';

const refused = { kind: 'unavailable', message: 'The model cannot be reached.', retryAfterSeconds: null } as const;

it('tells why there is no answer, and says anew that one is being written', () => {
  setLanguage('en', false);
  const view = render(<Announcer status="sending" messages={[]} error={null} />);
  const writing = view.container.textContent;
  expect(writing).not.toBe('');
  view.rerender(<Announcer status="failed" messages={[]} error={refused} />);
  expect(view.container.textContent).toBe('The model cannot be reached.');
  view.rerender(<Announcer status="sending" messages={[]} error={null} />);
  expect(view.container.textContent).toBe(writing);
});

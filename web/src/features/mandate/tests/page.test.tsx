import { screen, within } from '@testing-library/react';
import { describe, expect, it } from 'vitest';
import { answering, prepareBrowser, show } from '../../../shared/testing/surroundings.tsx';
import MandatePage from '../page.tsx';
import { rightsOf } from '../rights.ts';

prepareBrowser();

const parts = () =>
  within(screen.getByRole('navigation'))
    .getAllByRole('link')
    .map((link) => link.textContent);

describe('the parts of the page', () => {
  it.each([
    ['owner', ['People', 'Invitations', 'Keys', 'Audit log', 'Settings']],
    ['finance', ['Keys', 'Audit log', 'Settings']],
    ['member', ['Keys']],
  ] as const)('for %s', (role, expected) => {
    answering({});
    show(<MandatePage />, { role, path: '/mandate' });
    expect(parts()).toEqual(expected);
  });

  it('an operator has all of them, whatever they are in the mandate', () => {
    answering({});
    show(<MandatePage />, { role: 'member', operator: true, path: '/mandate' });
    expect(parts()).toHaveLength(5);
  });

  it('keep the mandate that an operator looks at', () => {
    answering({});
    show(<MandatePage />, { operator: true, path: '/mandate/keys?mandate=11111111-1111-4111-8111-111111111111' });
    expect(screen.getByRole('link', { name: 'Settings' }).getAttribute('href')).toBe(
      '/mandate/settings?mandate=11111111-1111-4111-8111-111111111111',
    );
  });
});

it('only operators set the terms', () => {
  expect(rightsOf({ operator: false }, { role: 'owner' }).terms).toBe(false);
  expect(rightsOf({ operator: true }, { role: 'member' }).terms).toBe(true);
});

import { fireEvent, screen } from '@testing-library/react';
import { describe, expect, it, vi } from 'vitest';
import { Composer } from '../composer.tsx';
import { prepareBrowser, show } from './surroundings.tsx';

prepareBrowser();

function composer(changed: Partial<Parameters<typeof Composer>[0]> = {}) {
  const onSend = vi.fn();
  const onStop = vi.fn();
  const props = { draft: 'thread-1', isBusy: false, onSend, onStop, ...changed };
  const { unmount } = show(<Composer {...props} />);
  return { onSend, onStop, unmount, field: screen.getByLabelText<HTMLTextAreaElement>('Message') };
}

const write = (field: HTMLTextAreaElement, value: string) => fireEvent.change(field, { target: { value } });

describe('Enter', () => {
  it('sends, and empties the field, which keeps the focus', () => {
    const { onSend, field } = composer();
    write(field, '  Hello  ');
    expect(fireEvent.keyDown(field, { key: 'Enter' })).toBe(false);
    expect(onSend).toHaveBeenCalledExactlyOnceWith('Hello');
    expect(field.value).toBe('');
    expect(document.activeElement).toBe(field);
  });

  it.each([
    ['with Shift begins a line', { key: 'Enter', shiftKey: true }],
    ['that chooses a character sends nothing', { key: 'Enter', isComposing: true }],
    ['of an older browser that chooses a character neither', { key: 'Enter', keyCode: 229 }],
  ])('%s', (_, init) => {
    const { onSend, field } = composer();
    write(field, 'にほん');
    expect(fireEvent.keyDown(field, init)).toBe(true);
    expect(onSend).not.toHaveBeenCalled();
    expect(field.value).toBe('にほん');
  });

  it('sends nothing of nothing, and nothing while an answer is written', () => {
    const { onSend, field } = composer({ isBusy: true });
    fireEvent.keyDown(field, { key: 'Enter' });
    write(field, 'Hello');
    fireEvent.keyDown(field, { key: 'Enter' });
    expect(onSend).not.toHaveBeenCalled();
    expect(field.value).toBe('Hello');
  });
});

it('keeps what was not sent, for each thread', () => {
  const first = composer();
  write(first.field, 'Not yet');
  first.unmount();
  const other = composer({ draft: 'thread-2' });
  expect(other.field.value).toBe('');
  other.unmount();
  expect(composer().field.value).toBe('Not yet');
});

it('stops what is under way, by the same button', () => {
  const { onStop } = composer({ isBusy: true });
  fireEvent.click(screen.getByRole('button', { name: 'Stop' }));
  expect(onStop).toHaveBeenCalledOnce();
});

it('does not stop twice', () => {
  const { onStop } = composer({ isBusy: true, canStop: false });
  fireEvent.click(screen.getByRole('button', { name: 'Stop' }));
  expect(onStop).not.toHaveBeenCalled();
});

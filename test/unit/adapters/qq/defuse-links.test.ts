import { describe, expect, it } from 'vitest';
import { defuseLinks } from '../../../../src/adapters/qq/defuse-links.ts';

describe('links (G06)', () => {
  it.each([
    ['https://example.com/docs?a=b.c', 'https://example．com/docs?a=b．c'],
    ['www.example.co.uk.', 'www．example．co．uk.'],
    ['Put it into README.md and run ./install.sh', 'Put it into README．md and run ./install．sh'],
    ['a `.sh` file, .bashrc', 'a `．sh` file, ．bashrc'],
    ['http://10.0.0.1:80/x', 'http://10．0．0．1:80/x'],
    ['http://localhost:3000/', 'http：//localhost:3000/'],
    ['http://[::1]/', 'http：//[::1]/'],
    ['mail a.b@example.com', 'mail a．b@example．com'],
    ['网站例子.中国', '网站例子．中国'],
    ['archive.7z v1.2.3', 'archive．7z v1．2．3'],
  ])('%j becomes %j', (text, defused) => {
    expect(defuseLinks(text)).toBe(defused);
    expect(defuseLinks(defuseLinks(text))).toBe(defuseLinks(text));
    expect(defuseLinks(text)).toHaveLength(text.length);
  });

  it.each(['no link.', 'pi is 3.14, and 2.5 GB', 'Done. Next', 'wait... what', '好的。'])('%j stays', (text) => {
    expect(defuseLinks(text)).toBe(text);
  });

  it.each(['1.', 'a.', '://', '.', 'a', '1', '://a'])('takes time linear in the text: %j over and over', (piece) => {
    const text = piece.repeat(64_000);
    const startedAt = performance.now();
    defuseLinks(text);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });
});

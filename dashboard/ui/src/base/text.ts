// Tokens as people can read them: pieces of one character are joined, what cannot be seen gets a sign.

import type { Cell, Piece, Token } from '../types';
import { el } from './dom';

/** Characters of a token that are shown. */
const SHOWN = 48;
const textBytes = new TextEncoder();

/** The length of the character that a byte begins, and the range of the byte after it; length 0 where none begins so. */
function begins(lead: number): [number, number, number] {
  if (lead < 0x80) return [1, 0, 0];
  if (lead < 0xc2) return [0, 0, 0];
  if (lead < 0xe0) return [2, 0x80, 0xbf];
  if (lead < 0xf0) return [3, lead === 0xe0 ? 0xa0 : 0x80, lead === 0xed ? 0x9f : 0xbf];
  if (lead < 0xf5) return [4, lead === 0xf0 ? 0x90 : 0x80, lead === 0xf4 ? 0x8f : 0xbf];
  return [0, 0, 0];
}

/** How many bytes from `at` on are those of a character, and whether it is whole. */
function character(bytes: Uint8Array | number[], at: number): { length: number; whole: boolean; } {
  const [length, low, high] = begins(bytes[at]);
  if (length < 2) return { length, whole: length === 1 };
  for (let i = 1; i < length; i += 1) {
    if (at + i >= bytes.length) return { length: i, whole: false };
    const byte = bytes[at + i];
    if (byte < (i === 1 ? low : 0x80) || byte > (i === 1 ? high : 0xbf)) return { length: 0, whole: false };
  }
  return { length, whole: true };
}

/** Whether the bytes end within a character. */
function endsWithin(bytes: number[]) {
  for (let at = Math.max(0, bytes.length - 3); at < bytes.length; at += 1) {
    const found = character(bytes, at);
    if (!found.whole && found.length > 0 && at + found.length === bytes.length) return true;
  }
  return false;
}

function bytePieces(bytes: Uint8Array | number[]): Piece[] {
  const pieces: Piece[] = [];
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let good = 0;
  let at = 0;
  const flush = () => {
    if (at > good) pieces.push(...textPieces(decoder.decode(Uint8Array.from(bytes.slice(good, at)))));
  };
  while (at < bytes.length) {
    const { length, whole } = character(bytes, at);
    if (whole) {
      at += length;
      continue;
    }
    flush();
    pieces.push({ kind: 'byte', text: `⟨0x${bytes[at].toString(16).toUpperCase().padStart(2, '0')}⟩` });
    at += 1;
    good = at;
  }
  flush();
  return pieces;
}

const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/u;
const JOINER = /[\u200c\u200d\ufe00-\ufe0f]/u;

/** The sign of a character that cannot be seen as it is; null for others. */
function sign(char: string): Piece | null {
  if (char === ' ') return { kind: 'space', text: ' ' };
  if (char === '\n') return { kind: 'newline', text: '↵', raw: char };
  if (char === '\t') return { kind: 'sign', text: '→', raw: char };
  if (char === '\u00a0') return { kind: 'sign', text: '⍽', raw: char };
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x20) return { kind: 'sign', text: String.fromCodePoint(0x2400 + code) };
  if (code === 0x7f) return { kind: 'sign', text: '␡' };
  if (UNSEEN.test(char)) return { kind: 'sign', text: `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩` };
  return null;
}

export function textPieces(text: string): Piece[] {
  const pieces: Piece[] = [];
  let seen = '';
  let shown = 0;
  const flush = () => {
    // A mark that combines needs something to stand on.
    if (seen) pieces.push({ kind: 'text', text: /^\p{M}/u.test(seen) ? `◌${seen}` : seen });
    seen = '';
  };
  for (const char of text) {
    if (shown === SHOWN) {
      flush();
      pieces.push({ kind: 'sign', text: '…' });
      return pieces;
    }
    shown += 1;
    // Within a word joiners belong to its spelling.
    const found = seen && JOINER.test(char) ? null : sign(char);
    if (!found) {
      seen += char;
      continue;
    }
    flush();
    pieces.push(found);
  }
  flush();
  return pieces;
}

const knownPieces: WeakMap<Token, Piece[]> = new WeakMap();

/** A token by itself. */
export function tokenPieces(token: Token): Piece[] {
  let pieces = knownPieces.get(token);
  if (pieces) return pieces;
  if (token.bytes) pieces = bytePieces(token.bytes.slice(0, SHOWN));
  else if (token.text === null) pieces = [{ kind: 'sign', text: `⟨id ${token.id}⟩` }];
  else if (token.text === '') pieces = [{ kind: 'sign', text: '⟨empty⟩' }];
  else pieces = textPieces(token.text);
  knownPieces.set(token, pieces);
  return pieces;
}

/** Tokens as cells: those that share a character are one. */
export function cells(tokens: Token[]): Cell[] {
  const found: Cell[] = [];
  for (let from = 0; from < tokens.length;) {
    const token = tokens[from];
    let to = from + 1;
    let pieces = null;
    if (token.bytes && token.whole === null) {
      const bytes = [...token.bytes];
      while (to < tokens.length && endsWithin(bytes)) {
        const next = tokens[to];
        const more = next.bytes && next.whole === null ? next.bytes : null;
        if (!more || !goesOn(bytes, more)) break;
        bytes.push(...more);
        to += 1;
      }
      if (to > from + 1) pieces = bytePieces(bytes);
    }
    found.push({ from, to, pieces: pieces ?? tokenPieces(token) });
    from = to;
  }
  return found;
}

/** Whether the character that `bytes` end within goes on in `more`. */
function goesOn(bytes: number[], more: Uint8Array) {
  const tail = bytes.slice(-3);
  for (let at = 0; at < tail.length; at += 1) {
    const begun = character(tail, at);
    if (begun.whole || begun.length === 0 || at + begun.length !== tail.length) continue;
    return character([...tail.slice(at), more[0]], 0).length === begun.length + 1;
  }
  return false;
}

/** The text that a search sees. */
export const searched = (token: Token) => (token.text ?? tokenPieces(token).map((piece) => piece.text).join('')).toLowerCase();

/** The token as it is read out. */
export const spoken = (token: Token) => tokenPieces(token).map((piece) => piece.raw ?? piece.text).join('');

/** How many bytes a token has. */
export const byteLength = (token: Token) => token.whole ?? token.bytes?.length ?? textBytes.encode(token.text ?? '').length;

export function pieceElements(pieces: Piece[]): HTMLElement[] {
  return pieces.map((piece) => {
    const span = el('span', { class: `p ${piece.kind}`, 'data-raw': piece.raw });
    span.textContent = piece.text;
    return span;
  });
}

/** A token as an element by itself. */
export function tokenElement(token: Token, className: string = '') {
  return el('span', { class: `token ${className}` }, ...pieceElements(tokenPieces(token)));
}

// Tokens within components.

import { textPieces, tokenPieces } from '../base/text';
import type { Piece, Token } from '../types';

const Pieces = ({ pieces }: { pieces: Piece[] }) => <>{pieces.map((piece) => <span class={`p ${piece.kind}`} data-raw={piece.raw}>{piece.text}</span>)}</>;

export const TokenText = ({ token, kind = '' }: { token: Token; kind?: string }) => <span class={`token ${kind}`}><Pieces pieces={tokenPieces(token)} /></span>;

export const PlainText = ({ text }: { text: string }) => <span class="token"><Pieces pieces={textPieces(text)} /></span>;

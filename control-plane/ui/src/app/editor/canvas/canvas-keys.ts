/** The keys of the canvas, as names of what they do. They hold only while the canvas itself has the focus. */
export type CanvasKey =
  | 'add' | 'open' | 'none' | 'rename' | 'disable' | 'delete' | 'connect' | 'note' | 'help' | 'in' | 'out' | 'actual' | 'fit' | 'list' | 'text'
  | 'left' | 'right' | 'up' | 'down' | 'stream-left' | 'stream-right';

const PLAIN: Readonly<Record<string, CanvasKey>> = {
  Tab: 'add', Enter: 'open', Escape: 'none', F2: 'rename', d: 'disable', Delete: 'delete', Backspace: 'delete', c: 'connect', n: 'note', '?': 'help',
  '+': 'in', '=': 'in', '-': 'out', '0': 'actual', '1': 'fit', l: 'list', t: 'text', ArrowLeft: 'left', ArrowRight: 'right', ArrowUp: 'up', ArrowDown: 'down',
};

/** What a key does; null if it does nothing. */
export function canvasKey(event: Pick<KeyboardEvent, 'key' | 'shiftKey' | 'ctrlKey' | 'metaKey' | 'altKey'>): CanvasKey | null {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  if (event.shiftKey) {
    if (event.key === 'ArrowLeft') return 'stream-left';
    if (event.key === 'ArrowRight') return 'stream-right';
    return event.key === '?' || event.key === '+' ? (PLAIN[event.key] ?? null) : null;
  }
  return PLAIN[event.key.length === 1 ? event.key.toLowerCase() : event.key] ?? null;
}

/** The table that `?` shows. */
export const KEY_TABLE: readonly { readonly keys: string; readonly does: string }[] = [
  { keys: 'Tab', does: 'add a node' },
  { keys: 'Ctrl K', does: 'find or do' },
  { keys: '← → ↑ ↓', does: 'next node along the connection, or beside' },
  { keys: 'Shift ← →', does: 'select everything before or after' },
  { keys: 'Enter', does: 'open the form' },
  { keys: 'Esc', does: 'back to the canvas, then select nothing' },
  { keys: 'F2 · D · Del', does: 'rename, disable, delete' },
  { keys: 'Ctrl D', does: 'duplicate' },
  { keys: 'Ctrl Z · Ctrl Shift Z', does: 'undo, redo, everywhere' },
  { keys: 'Ctrl C · X · V', does: 'copy, cut, paste as YAML' },
  { keys: 'C, arrows, Enter', does: 'connect from this node' },
  { keys: 'Ctrl Enter · Ctrl Shift Enter', does: 'try all of it, try to this node' },
  { keys: '+ − 0 1', does: 'zoom in, out, own size, everything' },
  { keys: 'Space and drag', does: 'move the view' },
  { keys: 'N', does: 'add a note' },
  { keys: 'L · T', does: 'list, text' },
  { keys: 'F6', does: 'next part of the window' },
  { keys: '=', does: 'in an empty field: an expression' },
];

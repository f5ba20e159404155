/** What the palette finds while the editor is open. */
import type { Command } from '../state/commands';
import type { EditorStore } from '../state/editor-store';
import type { EditorActions, EditorViews } from './editor-actions';

/** The editor's actions for the palette. */
export function commandsOf(store: InstanceType<typeof EditorStore>, actions: EditorActions, views: EditorViews | null): readonly Command[] {
  const ids = store.selectedNodes();
  const what = ids.length === 0 ? 'the selected nodes' : ids.length === 1 ? (ids[0] ?? '') : `${String(ids.length)} nodes`;
  const none = ids.length === 0 ? { disabled: 'select a node first' } : {};
  const undo = store.undoLabel();
  const redo = store.redoLabel();
  const go = store.graph().nodes.map((node): Command => ({
    id: `node-${node.id}`, title: node.id, icon: node.kind?.icon ?? 'alert', group: 'Go to', hint: node.kind?.line(node.value) ?? '', run: () => { actions.goTo(node.id); },
  }));
  return [
    { id: 'add', title: 'Add a node', icon: 'plus', group: 'Do', keys: 'Tab', run: () => { views?.add(); } },
    { id: 'workflow', title: 'Triggers, inputs, secrets and results', icon: 'settings', group: 'Do', hint: 'of the workflow itself', run: () => { views?.workflow(); } },
    { id: 'note', title: 'Add a note', icon: 'note', group: 'Do', keys: 'N', run: () => { actions.addNote(); } },
    { id: 'rename', title: `Rename ${what}`, icon: 'text', group: 'Do', keys: 'F2', ...none, run: () => { views?.form('name'); } },
    { id: 'duplicate', title: `Duplicate ${what}`, icon: 'copy', group: 'Do', keys: 'Ctrl D', ...none, run: () => { actions.duplicate(); } },
    { id: 'disable', title: `Disable or enable ${what}`, icon: 'pause', group: 'Do', keys: 'D', ...none, run: () => { actions.disable(); } },
    { id: 'delete', title: `Delete ${what}`, icon: 'trash', group: 'Do', keys: 'Del', ...none, run: () => { actions.remove(); } },
    { id: 'connect', title: `Connect from ${what}`, icon: 'link', group: 'Do', keys: 'C', ...none, run: () => { actions.beginConnect(); } },
    { id: 'try', title: 'Try all of it', icon: 'start', group: 'Do', keys: 'Ctrl Enter', run: () => { actions.tryIt(false); } },
    { id: 'try-here', title: `Try to ${what}`, icon: 'start', group: 'Do', keys: 'Ctrl Shift Enter', ...none, run: () => { actions.tryIt(true); } },
    { id: 'publish', title: 'Publish…', icon: 'verified', group: 'Do', run: () => { views?.publish(); } },
    { id: 'run', title: 'Run the published version', icon: 'start', group: 'Do', run: () => { views?.run(); } },
    { id: 'data', title: 'Show the data of the last try', icon: 'table', group: 'View', run: () => { views?.data(); } },
    { id: 'undo', title: undo === null ? 'Undo' : `Undo: ${undo}`, icon: 'undo', group: 'Do', keys: 'Ctrl Z', ...(undo === null ? { disabled: 'nothing was done' } : {}), run: () => { store.undo(); } },
    { id: 'redo', title: redo === null ? 'Redo' : `Redo: ${redo}`, icon: 'redo', group: 'Do', keys: 'Ctrl Shift Z', ...(redo === null ? { disabled: 'nothing was undone' } : {}), run: () => { store.redo(); } },
    { id: 'tidy', title: 'Tidy up the canvas', icon: 'branch', group: 'Do', run: () => { actions.tidy(); } },
    { id: 'fit', title: 'Show everything', icon: 'fit', group: 'Do', keys: '1', run: () => { actions.fit(); } },
    { id: 'view-canvas', title: 'View: canvas', icon: 'workflows', group: 'View', run: () => { views?.view('canvas'); } },
    { id: 'view-both', title: 'View: canvas and text', icon: 'workflows', group: 'View', run: () => { views?.view('split'); } },
    { id: 'view-text', title: 'View: text', icon: 'text', group: 'View', keys: 'T', run: () => { views?.view('text'); } },
    { id: 'view-list', title: 'View: list', icon: 'list', group: 'View', keys: 'L', run: () => { views?.view('list'); } },
    { id: 'copy-text', title: 'Copy the workflow as text', icon: 'copy', group: 'Do', run: () => { void actions.copyText(); } },
    { id: 'download', title: 'Download the workflow', icon: 'download', group: 'Do', run: () => { actions.download(); } },
    { id: 'keys', title: 'Show the keys', icon: 'list', group: 'Do', keys: '?', run: () => { views?.help(); } },
    { id: 'close', title: 'Close the workflow', icon: 'x', group: 'Do', run: () => { actions.closeDocument(); } },
    ...go,
  ];
}

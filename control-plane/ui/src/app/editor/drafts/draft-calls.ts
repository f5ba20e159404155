import { inject, Injectable } from '@angular/core';

import { Api, words } from '../../data/api/api';
import { DiscardDraft, DraftMark as MarkQuery, DraftOf, type DraftOfData, Drafts, PublishDraft, type PublishDraftData, SaveDraft, type SaveDraftData } from '../../data/api/operations';
import type { DraftMark } from '../../domain/document/mark';
import { isObject, type Json } from '../../domain/json';
import type { Layout } from '../../domain/layout/layout';
import { layoutJson } from '../../domain/layout/layout-json';

/** A draft as the control plane has it. */
export type PlaneDraft = NonNullable<DraftOfData['draft']>;
/** What a draft, if there is one, and the newest version say. */
export interface Found {
  readonly draft: PlaneDraft | null;
  readonly published: { readonly version: number; readonly text: string } | null;
}
export type Saved = Extract<SaveDraftData['saveDraft'], { readonly __typename: 'SaveDraftSuccess' }>['draft'];
/** What came of saving. */
export type SaveAnswer =
  | { readonly kind: 'saved'; readonly draft: Saved }
  | { readonly kind: 'conflict'; readonly theirs: PlaneDraft | null }
  | { readonly kind: 'refused'; readonly why: string };

/** The calls for drafts, with their answers as the editor needs them. Each throws an `ApiError` when nobody answers. */
@Injectable({ providedIn: 'root' })
export class DraftCalls {
  private readonly api = inject(Api);

  async find(name: string): Promise<Found> {
    const { draft, workflow } = await this.api.ask(DraftOf, { name });
    const text = workflow?.versions.find((version) => version.version === workflow.version)?.source;
    return { draft, published: workflow && text !== null && text !== undefined ? { version: workflow.version, text } : null };
  }

  /** Revision and author of the draft as it is now; null if there is none. */
  async mark(name: string): Promise<{ readonly revision: number; readonly savedBy: string } | null> {
    return (await this.api.ask(MarkQuery, { name })).draft;
  }

  async save(workflow: string, text: string, layout: Layout, over: DraftMark | null, baseVersion: number | null): Promise<SaveAnswer> {
    const { saveDraft } = await this.api.ask(SaveDraft, { input: { workflow, source: text, layout: layoutJson(layout), revision: over?.revision ?? 0, baseVersion } });
    if (saveDraft.__typename === 'SaveDraftSuccess') return { kind: 'saved', draft: saveDraft.draft };
    if (saveDraft.__typename === 'DraftConflictProblem') return { kind: 'conflict', theirs: saveDraft.theirs };
    const fields = 'fields' in saveDraft ? saveDraft.fields.map((field) => `${field.path}: ${field.message}`).join('; ') : '';
    return { kind: 'refused', why: fields === '' ? saveDraft.message : fields };
  }

  /** Gives why the draft was not discarded, or null. */
  async discard(workflow: string, revision: number): Promise<string | null> {
    const { discardDraft } = await this.api.ask(DiscardDraft, { input: { workflow, revision } });
    return 'message' in discardDraft ? discardDraft.message : null;
  }

  async publish(workflow: string, revision: number): Promise<PublishDraftData['publishDraft']> {
    return (await this.api.ask(PublishDraft, { input: { workflow, revision } })).publishDraft;
  }

  /** The names of workflows and of drafts; none when nobody answers. */
  async names(): Promise<ReadonlySet<string>> {
    try {
      const { drafts, workflows } = await this.api.ask(Drafts, {});
      return new Set([...drafts.nodes.map(({ workflow }) => workflow), ...workflows.nodes.map(({ name }) => name)]);
    } catch {
      return new Set();
    }
  }
}

/** What this window knows of a draft after it was read. */
export function markOf(draft: PlaneDraft): DraftMark {
  return { workflow: draft.workflow, revision: draft.revision, baseVersion: draft.baseVersion, text: draft.source, savedAt: draft.savedAtMs, savedBy: draft.savedBy };
}

/** What it knows of a published version that has no draft. */
export function markOfVersion(workflow: string, published: { readonly version: number; readonly text: string }): DraftMark {
  return { workflow, revision: 0, baseVersion: published.version, text: published.text, savedAt: 0, savedBy: '' };
}

/** The layout of a draft, if it has one. */
export function hasLayout(layout: Json): boolean {
  return isObject(layout) && (isObject(layout['nodes']) ? Object.keys(layout['nodes']).length > 0 : false);
}

export { words };

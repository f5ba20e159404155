import { computed, effect, inject, Injectable, signal, untracked } from '@angular/core';

import { Session } from '../../data/session';
import { type DraftMark, freeWorkflowName, isWorkflowName } from '../../domain/document/mark';

import { EMPTY_LAYOUT, type Layout } from '../../domain/layout/layout';
import { readLayout } from '../../domain/layout/layout-json';
import { BLANK } from '../../domain/workflow/blank';
import { EditorStore } from '../../state/editor-store';
import { Messages } from '../../state/messages';
import { problemsFrom } from '../findings';
import { DraftCalls, type Found, hasLayout, markOf, markOfVersion, type PlaneDraft, words } from './draft-calls';

/** How the document stands to what the control plane keeps. */
export type Keeping =
  | { readonly kind: 'quiet' }
  | { readonly kind: 'saving' }
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'unreached'; readonly why: string }
  | { readonly kind: 'conflict'; readonly theirs: Theirs };

/** What stands in the way: the draft that somebody saved, or what was published in its place. */
export interface Theirs {
  readonly mark: DraftMark;
  readonly layout: Layout;
  /** The text that both began from; null if it is not known. */
  readonly base: string | null;
}

const SAVE_AFTER_MS = 600;
/** A name is typed letter by letter; each of them is not a workflow. */
const RENAME_AFTER_MS = 2000;
const AGAIN_MS = 3000;
const LOOK_MS = 4000;

/**
 * Saves the document as the draft of its workflow, over the revision that this window knows. Whoever saves later is told,
 * and nothing of either is lost.
 */
@Injectable({ providedIn: 'root' })
export class DraftKeeper {
  private readonly calls = inject(DraftCalls);
  private readonly store = inject(EditorStore);
  private readonly messages = inject(Messages);
  private readonly session = inject(Session);
  private timer: ReturnType<typeof setTimeout> | undefined;
  private under = false;
  /** The layout that the control plane has. */
  private readonly layoutThere = signal<Layout | null>(null);
  private readonly keeping = signal<Keeping>({ kind: 'quiet' });
  private readonly newest = signal<{ readonly name: string; readonly version: number; readonly text: string } | null>(null);
  private readonly looking = signal(false);
  readonly state = this.keeping.asReadonly();
  /** Whether a document is being fetched. */
  readonly opening = this.looking.asReadonly();
  /** The newest version of the workflow of this name; null if there is none that is known of. */
  readonly published = computed(() => {
    const newest = this.newest();
    return newest !== null && newest.name === this.store.graph().name ? newest : null;
  });
  /** The newest version, if the document is that text. */
  readonly same = computed(() => {
    const found = this.published();
    return found !== null && found.text === this.store.text() ? found.version : null;
  });
  /** Whether the document differs from what the control plane has. */
  readonly unsaved = computed(() => {
    const { text, layout } = this.store.current();
    const mark = this.store.mark();
    if (this.store.document() === null) return false;
    if (mark === null) return text.trim() !== '' && text !== BLANK;
    return mark.workflow !== this.store.graph().name || mark.text !== text || (this.layoutThere() !== null && this.layoutThere() !== layout);
  });
  /** Whether saving it says what is wrong with it. */
  readonly saves = computed(() => this.unsaved() && this.keeping().kind !== 'conflict' && this.keeping().kind !== 'unreached' && isWorkflowName(this.store.graph().name));

  constructor() {
    effect(() => {
      this.store.document();
      const unsaved = this.unsaved();
      untracked(() => {
        clearTimeout(this.timer);
        const kind = this.keeping().kind;
        if (kind === 'conflict') return;
        if (!unsaved) {
          if (kind !== 'saving') this.keeping.set({ kind: 'quiet' });
          return;
        }
        const renamed = this.store.mark() !== null && this.store.mark()?.workflow !== this.store.graph().name;
        this.timer = setTimeout(() => void this.save(), renamed ? RENAME_AFTER_MS : SAVE_AFTER_MS);
      });
    });
    const name = computed(() => this.store.graph().name);
    effect(() => {
      const wanted = name();
      untracked(() => { if (isWorkflowName(wanted) && this.newest()?.name !== wanted && !this.looking()) void this.lookUp(wanted); });
    });
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) void this.flush();
      else void this.look();
    });
  }

  /** Looks for what others saved, as long as the returned function is not called. */
  watch(): () => void {
    const timer = setInterval(() => { if (!document.hidden) void this.look(); }, LOOK_MS);
    return () => { clearInterval(timer); };
  }

  /** Opens the draft of a workflow, else its newest version. What was not saved of it here goes on. */
  async open(name: string): Promise<void> {
    const own = this.store.mark();
    if (this.store.document() && own?.workflow === name && this.layoutThere() !== null) return;
    this.looking.set(true);
    try {
      const found = await this.calls.find(name);
      this.newest.set(found.published ? { name, ...found.published } : null);
      if (this.store.document() && own?.workflow === name && own.text !== this.store.text()) this.goOn(own, found);
      else this.show(name, found);
    } catch (error) {
      this.messages.refused(words(error));
    } finally {
      this.looking.set(false);
    }
  }

  /** A name for a new document that no workflow and no draft has. */
  async freeName(wanted: string): Promise<string> {
    return freeWorkflowName(wanted, await this.calls.names());
  }

  /** Saves what is not saved yet. Gives whether all of it is saved now. */
  async flush(): Promise<boolean> {
    clearTimeout(this.timer);
    if (this.unsaved() && this.keeping().kind !== 'conflict') await this.save();
    return !this.unsaved();
  }

  /** Ends a conflict: this text is what counts, over what they have. */
  settle(text: string, layout: Layout, theirs: Theirs): void {
    this.store.marked(theirs.mark);
    this.layoutThere.set(theirs.layout);
    this.keeping.set({ kind: 'quiet' });
    if (text !== this.store.text()) this.store.replace(`Take over what ${theirs.mark.savedBy || 'somebody'} saved`, text, layout);
  }

  /** The draft is gone, because it was published as this version. */
  publishedAs(version: number, text: string): void {
    const name = this.store.graph().name;
    this.newest.set({ name, version, text });
    this.store.marked(markOfVersion(name, { version, text }));
    this.layoutThere.set(this.store.layout());
  }

  /** Forgets the draft and shows the newest version; gives whether it was done. */
  async discard(): Promise<boolean> {
    const mark = this.store.mark();
    const published = this.published();
    if (mark === null || published === null) return false;
    clearTimeout(this.timer);
    const why = mark.revision === 0 ? null : await this.calls.discard(mark.workflow, mark.revision);
    if (why !== null) {
      this.messages.refused(why);
      return false;
    }
    this.store.marked(markOfVersion(mark.workflow, published));
    this.layoutThere.set(null);
    this.store.replace('Discard the draft', published.text, this.store.layout());
    this.layoutThere.set(this.store.layout());
    return true;
  }

  private show(name: string, { draft, published }: Found): void {
    const before = this.store.document();
    const mark = this.store.mark();
    if (!draft && !published) {
      this.messages.refused(`There is no workflow ${name}, or its text was not published with it.`);
      return;
    }
    const lost = before !== null && this.unsaved() && mark?.workflow !== name ? before : null;
    const known = before && mark?.workflow === name ? this.store.layout() : EMPTY_LAYOUT;
    if (draft) this.store.open(draft.source, hasLayout(draft.layout) ? readLayout(draft.layout) : known, markOf(draft));
    else if (published) this.store.open(published.text, known, markOfVersion(name, published));
    this.layoutThere.set(this.store.layout());
    this.keeping.set({ kind: 'quiet' });
    if (lost) this.messages.done(`${name} was opened in the place of what was not saved.`, { label: 'Take it back', run: () => { this.store.open(lost.text, lost.layout, mark); } });
  }

  /** Goes on with a document that was changed here and not saved. */
  private goOn(own: DraftMark, { draft, published }: Found): void {
    this.layoutThere.set(this.store.layout());
    if ((draft?.revision ?? 0) === own.revision) return;
    if (draft) this.conflict(draft);
    else if (published) this.keeping.set({ kind: 'conflict', theirs: { mark: markOfVersion(own.workflow, published), layout: this.store.layout(), base: own.text } });
  }

  private conflict(draft: PlaneDraft): void {
    const own = this.store.mark();
    const theirs: Theirs = { mark: markOf(draft), layout: readLayout(draft.layout), base: own?.workflow === draft.workflow ? own.text : null };
    // Both wrote the same: nobody has to decide anything.
    if (draft.source === this.store.text()) this.settle(draft.source, theirs.layout, theirs);
    else this.keeping.set({ kind: 'conflict', theirs });
  }

  private async save(): Promise<void> {
    if (this.under || !this.unsaved()) return;
    const name = this.store.graph().name;
    if (!isWorkflowName(name)) {
      this.keeping.set({ kind: 'refused', why: 'It has no name that a workflow can have: small letters, digits and hyphens.' });
      return;
    }
    const lacking = this.session.lacks('edit');
    if (lacking !== null) {
      this.keeping.set({ kind: 'refused', why: lacking });
      return;
    }
    this.under = true;
    this.keeping.set({ kind: 'saving' });
    const { text, layout } = this.store.current();
    const known = this.store.mark();
    const own = known?.workflow === name ? known : null;
    try {
      const answer = await this.calls.save(name, text, layout, own, own ? own.baseVersion : (this.published()?.version ?? null));
      // Another document was opened meanwhile: what was saved is saved, and is not this one.
      if (this.store.document() === null || this.store.mark() !== known) {
        this.keeping.set({ kind: 'quiet' });
        return;
      }
      if (answer.kind === 'saved') {
        const { revision, baseVersion, savedAtMs, savedBy, check } = answer.draft;
        this.store.marked({ workflow: name, revision, baseVersion, text, savedAt: savedAtMs, savedBy });
        this.layoutThere.set(layout);
        this.keeping.set({ kind: 'quiet' });
        if (this.store.text() === text) this.store.judged({ text, problems: problemsFrom(text, this.store.graph(), check.diagnostics) });
        // Under its former name nobody published it: that draft was this one.
        if (known && known.workflow !== name && known.revision > 0 && known.baseVersion === null) void this.calls.discard(known.workflow, known.revision).catch(() => undefined);
      } else if (answer.kind === 'refused') {
        this.keeping.set(answer);
      } else if (answer.theirs) {
        this.conflict(answer.theirs);
      } else {
        const { published } = await this.calls.find(name);
        this.newest.set(published ? { name, ...published } : null);
        const mark = published ? markOfVersion(name, published) : null;
        if (mark && mark.text !== text) this.keeping.set({ kind: 'conflict', theirs: { mark, layout, base: own?.text ?? null } });
        else this.store.marked(mark);
      }
    } catch (error) {
      this.keeping.set({ kind: 'unreached', why: words(error) });
      this.timer = setTimeout(() => void this.save(), AGAIN_MS);
      return;
    } finally {
      this.under = false;
    }
    const kind = untracked(() => this.keeping().kind);
    if (kind === 'quiet' && this.unsaved()) this.timer = setTimeout(() => void this.save(), SAVE_AFTER_MS);
  }

  private isSaving(): boolean {
    return this.under;
  }

  /** Looks whether somebody else has saved the draft. */
  private async look(): Promise<void> {
    const own = this.store.mark();
    if (!this.store.document() || own === null || this.isSaving() || this.keeping().kind === 'conflict') return;
    try {
      const there = await this.calls.mark(own.workflow);
      // What this window saves meanwhile is not somebody else's.
      if (this.isSaving() || this.store.mark() !== own || (there?.revision ?? 0) === own.revision) return;
      const { draft, published } = await this.calls.find(own.workflow);
      if (this.isSaving() || this.store.mark() !== own) return;
      if (published) this.newest.set({ name: own.workflow, ...published });
      if (this.unsaved()) {
        this.goOn(own, { draft, published });
        return;
      }
      const text = draft?.source ?? published?.text;
      if (text === undefined) return;
      const layout = draft && hasLayout(draft.layout) ? readLayout(draft.layout) : this.store.layout();
      const who = draft ? `${draft.savedBy} saved this draft` : 'The draft was published or discarded';
      this.store.marked(draft ? markOf(draft) : published ? markOfVersion(own.workflow, published) : null);
      this.store.replace(draft ? `What ${draft.savedBy} saved` : 'The published version', text, layout);
      this.layoutThere.set(this.store.layout());
      this.messages.done(`${who} in another window; it is shown here.`, { label: 'Undo', run: () => { this.store.undo(); } });
    } catch {
      // The next look says so, or the next save.
    }
  }

  private async lookUp(name: string): Promise<void> {
    try {
      const { published } = await this.calls.find(name);
      if (this.store.graph().name === name) this.newest.set(published ? { name, ...published } : null);
    } catch {
      this.newest.set(null);
    }
  }
}

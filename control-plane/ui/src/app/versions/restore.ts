import { inject, Injectable, signal } from '@angular/core';

import { Api, words } from '../data/api/api';
import { RestoreVersion } from '../data/api/operations';
import { readLayout } from '../domain/layout/layout-json';
import { DraftCalls, markOf, type PlaneDraft } from '../editor/drafts/draft-calls';
import { DraftKeeper } from '../editor/drafts/draft-keeper';
import { EditorStore } from '../state/editor-store';
import { Messages } from '../state/messages';

/** Makes an old version the draft, or forgets the draft. Both can be taken back. */
@Injectable()
export class Restore {
  private readonly api = inject(Api);
  private readonly calls = inject(DraftCalls);
  private readonly keeper = inject(DraftKeeper);
  private readonly store = inject(EditorStore);
  private readonly messages = inject(Messages);
  readonly busy = signal(false);

  /** Gives whether the version is the draft now. What was published stays live until the draft is published. */
  async restore(name: string, version: number): Promise<boolean> {
    return this.alone(async () => {
      await this.leave(name);
      const { draft } = await this.calls.find(name);
      const { restoreVersion } = await this.api.ask(RestoreVersion, { input: { workflow: name, version, revision: draft?.revision ?? 0 } });
      if (restoreVersion.__typename !== 'SaveDraftSuccess') {
        this.messages.refused(restoreVersion.message);
        return false;
      }
      const back = draft ? { label: 'Take the draft back', run: () => void this.takeBack(draft) } : undefined;
      this.messages.done(`The draft of ${name} is v${String(version)} now. What is live stays live until you publish.`, back);
      return true;
    });
  }

  async discard(draft: PlaneDraft): Promise<boolean> {
    return this.alone(async () => {
      await this.leave(draft.workflow);
      const why = await this.calls.discard(draft.workflow, (await this.calls.mark(draft.workflow))?.revision ?? draft.revision);
      if (why !== null) this.messages.refused(why);
      else this.messages.done(`The draft of ${draft.workflow} is discarded.`, { label: 'Take it back', run: () => void this.takeBack(draft) });
      return why === null;
    });
  }

  /** The editor begins anew with what is there then. */
  private async leave(name: string): Promise<void> {
    if (this.store.mark()?.workflow !== name) return;
    await this.keeper.flush();
    this.store.close();
  }

  private async takeBack(draft: PlaneDraft): Promise<void> {
    await this.alone(async () => {
      await this.leave(draft.workflow);
      const there = (await this.calls.find(draft.workflow)).draft;
      const answer = await this.calls.save(draft.workflow, draft.source, readLayout(draft.layout), there ? markOf(there) : null, draft.baseVersion);
      if (answer.kind === 'saved') {
        this.messages.done(`The draft of ${draft.workflow} is as it was.`);
        await this.keeper.open(draft.workflow);
      } else {
        this.messages.refused(answer.kind === 'refused' ? answer.why : 'Somebody saved another draft meanwhile.');
      }
      return true;
    });
  }

  private async alone(run: () => Promise<boolean>): Promise<boolean> {
    if (this.busy()) return false;
    this.busy.set(true);
    try {
      return await run();
    } catch (error) {
      this.messages.refused(words(error));
      return false;
    } finally {
      this.busy.set(false);
    }
  }
}

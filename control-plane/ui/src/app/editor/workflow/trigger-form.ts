import { ChangeDetectionStrategy, Component, computed, inject, input, signal } from '@angular/core';

import { Icon } from '../../components/icon';
import { isObject } from '../../domain/json';
import { plain } from '../../domain/workflow/field';
import { renameSection, setScheme, setSection, type TriggerRow } from '../../domain/workflow/sections';
import { EditorStore } from '../../state/editor-store';

/** How the sender of a webhook proves who they are, for people. */
const SCHEMES = [
  { name: 'none', words: 'nobody checks: whoever knows the address' },
  { name: 'flowforge', words: 'FlowForge’s signature' },
  { name: 'github', words: 'GitHub' },
  { name: 'stripe', words: 'Stripe' },
  { name: 'slack', words: 'Slack' },
  { name: 'standard-webhooks', words: 'Standard Webhooks' },
  { name: 'token', words: 'a word in a header' },
] as const;
const ANSWERS = [{ name: '', words: 'at once' }, { name: 'result', words: 'with the result of the run' }, { name: 'respond', words: 'by a Respond node' }] as const;
const CATCH_UP = [{ name: '', words: 'the last of them runs' }, { name: 'skip', words: 'nothing runs' }, { name: 'all', words: 'each of them runs' }] as const;
const OVERLAP = [{ name: '', words: 'both go on' }, { name: 'skip', words: 'the new one does not start' }, { name: 'queue', words: 'the new one waits' }, { name: 'cancel', words: 'the old one is stopped' }] as const;
/** Time tables that people ask for. */
const TABLES = [{ cron: '0 8 * * *', words: 'every day at 8:00' }, { cron: '0 8 * * 1-5', words: 'every working day at 8:00' }, { cron: '0 * * * *', words: 'every hour' }, { cron: '*/5 * * * *', words: 'every five minutes' }, { cron: '0 8 1 * *', words: 'on the first of each month' }] as const;

/** One trigger of a workflow: its address and who may call it, or its time table. */
@Component({
  selector: 'ff-trigger-form',
  templateUrl: './trigger-form.html',
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class TriggerForm {
  private readonly store = inject(EditorStore);
  readonly row = input.required<TriggerRow>();
  readonly secrets = input.required<readonly string[]>();
  protected readonly schemes = SCHEMES;
  protected readonly answers = ANSWERS;
  protected readonly catchUps = CATCH_UP;
  protected readonly overlaps = OVERLAP;
  protected readonly tables = TABLES;
  protected readonly zones = Intl.supportedValuesOf('timeZone');
  protected readonly id = computed(() => `trigger-${this.row().name}`);
  protected readonly signals = computed(() => isObject(this.row().value['signal']));
  protected readonly scheme = computed(() => plain(this.row().value['scheme']) || (this.secret() === '' ? 'none' : 'flowforge'));
  protected readonly secret = computed(() => plain(this.row().value['secret']) || plain(this.row().value['hmac']));
  /** A scheme that was chosen and has no key yet. */
  protected readonly choosing = signal<string | null>(null);
  protected readonly table = computed(() => TABLES.find(({ cron }) => cron === this.word('cron'))?.words ?? '');

  protected word(key: string): string {
    return plain(this.row().value[key]);
  }

  protected rename(event: Event): void {
    const to = textOf(event).trim();
    const { name } = this.row();
    if (to !== name && !this.store.run((model) => renameSection(model, ['triggers', name], to)) && event.target instanceof HTMLInputElement) event.target.value = name;
  }

  protected set(key: string, event: Event): void {
    const text = textOf(event).trim();
    this.put(key, text === '' ? undefined : text);
  }

  protected put(key: string, text: string | undefined): void {
    const { name, type } = this.row();
    this.store.run((model) => setSection(model, ['triggers', name, type, key], text));
  }

  protected chooseScheme(event: Event): void {
    const scheme = textOf(event);
    const secret = this.secret();
    if (scheme === 'none' || secret !== '') this.giveScheme(scheme, secret);
    else this.choosing.set(scheme);
  }

  protected chooseSecret(event: Event): void {
    const secret = textOf(event).trim();
    if (secret !== '') this.giveScheme(this.choosing() ?? this.scheme(), secret);
  }

  protected remove(): void {
    const { name } = this.row();
    if (this.store.run((model) => setSection(model, ['triggers', name], undefined))) this.store.messages.done(`The trigger ${name} is deleted.`, { label: 'Undo', run: () => { this.store.undo(); } });
  }

  private giveScheme(scheme: string, secret: string): void {
    this.choosing.set(null);
    this.store.run((model) => setScheme(model, this.row().name, scheme, secret));
  }
}

function textOf(event: Event): string {
  return event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement ? event.target.value : '';
}

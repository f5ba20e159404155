import { ChangeDetectionStrategy, Component, type ElementRef, inject, output, signal, viewChild } from '@angular/core';

import { Dialog } from '../components/dialog';
import { Icon } from '../components/icon';
import { NamesBox } from '../components/names-box';
import { Api, words } from '../data/api/api';
import { type SecretListData, SetSecret } from '../data/api/operations';
import { Messages } from '../state/messages';

type Secret = SecretListData['secrets'][number];

/** The kinds of secrets, and what each means. */
const KINDS = [
  { name: 'bearer', docs: 'Sent as Authorization: Bearer.' },
  { name: 'basic', docs: 'user:password, sent as Authorization: Basic.' },
  { name: 'api-key', docs: 'Sent in the header that the connector names.' },
  { name: 'hmac-key', docs: 'Checks the signatures of webhooks; at least 16 bytes; sent nowhere.' },
  { name: 'opaque', docs: 'For what none of these fits.' },
] as const;

/** Gives a secret its value, or another one. What is typed is in no address, no draft and no store of the browser. */
@Component({
  selector: 'ff-secret-dialog',
  template: `
    <ff-dialog [heading]="known() ? 'Replace the value of ' + known() : 'New secret'" [width]="480" (closed)="clear()">
      <form id="secret-form" class="fields-list" (submit)="$event.preventDefault(); save()">
        @if (failure(); as why) {<div class="note failed" role="alert"><svg class="sg" aria-hidden="true"><use href="#i-state-failed" /></svg><span>{{ why }}</span></div>}
        @if (known() === null) {
          <label class="field"><span class="lab">name</span><input class="input mono" [value]="name()" [attr.aria-invalid]="wrong().has('name') ? true : null" autocomplete="off" spellcheck="false" placeholder="chat_token" (input)="name.set(text($event))" />@if (wrong().get('name'); as why) {<span class="error" role="alert">{{ why }}</span>}<span class="help">As workflows name it: small letters, digits and _.</span></label>
        }
        <label class="field"><span class="lab">kind</span><span class="select"><select [value]="kind()" (change)="kind.set(text($event))">@for (one of kinds; track one.name) {<option [value]="one.name" [selected]="one.name === kind()">{{ one.name }}</option>}</select><ff-icon name="chevron-down" size="s" /></span>&ngsp;<span class="help">{{ docs() }}</span></label>
        @if (kind() !== 'hmac-key') {
          <div class="field"><span class="lab">only for</span><ff-names-box [names]="places()" label="destinations" placeholder="https://chat.example.com" (changed)="places.set($event)" />@if (wrong().get('destinations'); as why) {<span class="error" role="alert">{{ why }}</span>}<span class="help">Where the value may be sent: scheme://name:port. Anything else is refused by the host, whatever a workflow says.</span></div>
        }
        <label class="field"><span class="lab">value</span><input #value class="input mono" type="password" autocomplete="off" [attr.aria-invalid]="wrong().has('value') ? true : null" />@if (wrong().get('value'); as why) {<span class="error" role="alert">{{ why }}</span>}<span class="help">{{ known() ? 'Steps that began keep the value that they had.' : 'It is encrypted before it is kept.' }}</span></label>
      </form>
      <button dialogAction type="submit" form="secret-form" class="btn primary large" [disabled]="busy()">{{ known() ? 'Replace' : 'Keep it' }}</button>
    </ff-dialog>
  `,
  imports: [Dialog, Icon, NamesBox],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class SecretDialog {
  private readonly api = inject(Api);
  private readonly messages = inject(Messages);
  readonly saved = output();
  private readonly dialog = viewChild.required(Dialog);
  private readonly value = viewChild.required<ElementRef<HTMLInputElement>>('value');
  protected readonly kinds = KINDS;
  protected readonly known = signal<string | null>(null);
  protected readonly name = signal('');
  protected readonly kind = signal<string>('bearer');
  protected readonly places = signal<readonly string[]>([]);
  protected readonly wrong = signal<ReadonlyMap<string, string>>(new Map());
  protected readonly failure = signal<string | null>(null);
  protected readonly busy = signal(false);

  /** For a new one, or for another value of one. */
  open(secret: Secret | null): void {
    this.clear();
    this.known.set(secret?.name ?? null);
    this.name.set(secret?.name ?? '');
    this.kind.set(secret?.kind ?? 'bearer');
    this.places.set(secret?.destinations ?? []);
    this.dialog().open();
  }

  protected docs(): string {
    return KINDS.find(({ name }) => name === this.kind())?.docs ?? '';
  }

  protected text(event: Event): string {
    return event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement ? event.target.value : '';
  }

  /** Nothing that was typed stays in the page. */
  protected clear(): void {
    this.value().nativeElement.value = '';
    this.wrong.set(new Map());
    this.failure.set(null);
  }

  protected async save(): Promise<void> {
    this.busy.set(true);
    this.failure.set(null);
    try {
      const input = { name: this.name().trim(), kind: this.kind(), value: this.value().nativeElement.value, destinations: this.kind() === 'hmac-key' ? [] : this.places() };
      const { setSecret } = await this.api.ask(SetSecret, { input });
      if (setSecret.__typename === 'SetSecretSuccess') {
        this.dialog().close();
        this.messages.done(`${setSecret.secret.name} has its version ${String(setSecret.secret.version)}.`);
        this.saved.emit();
      } else {
        this.wrong.set(new Map(setSecret.fields.map((field) => [field.path.split(/[.[]/)[0] ?? '', field.message])));
        if (setSecret.fields.every((field) => !['name', 'value', 'destinations'].includes(field.path.split(/[.[]/)[0] ?? ''))) this.failure.set(setSecret.message);
      }
    } catch (error) {
      this.failure.set(words(error));
    } finally {
      this.busy.set(false);
    }
  }
}

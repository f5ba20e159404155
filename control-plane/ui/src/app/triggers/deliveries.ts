import { ChangeDetectionStrategy, Component, computed, inject, signal, viewChild } from '@angular/core';
import { RouterLink } from '@angular/router';

import { AskedState } from '../components/asked-state';
import { Dialog } from '../components/dialog';
import { Icon } from '../components/icon';
import { Needs } from '../components/needs';
import { RunStateView } from '../components/run-state';
import { StateView } from '../components/state-view';
import { When } from '../components/when';
import { Api, words } from '../data/api/api';
import { DeliveryList, type DeliveryListData, ReplayDelivery } from '../data/api/operations';
import { asked } from '../data/resource';
import { sizeWords } from '../domain/marketplace/reach';
import { Messages } from '../state/messages';

const EVERY_MS = 3000;

type Delivery = DeliveryListData['webhookDeliveries']['nodes'][number];

/** How each outcome is called and looks. */
const OUTCOMES: Readonly<Record<string, { readonly word: string; readonly look: string }>> = {
  ACCEPTED: { word: 'accepted', look: 'done' },
  DUPLICATE: { word: 'came before', look: 'skipped' },
  REFUSED: { word: 'refused', look: 'failed' },
};

/** The newest requests to webhooks: what became of each, and doing one once more after it was said what follows. */
@Component({
  selector: 'ff-deliveries',
  templateUrl: './deliveries.html',
  imports: [AskedState, Dialog, Icon, Needs, RouterLink, RunStateView, StateView, When],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Deliveries {
  private readonly api = inject(Api);
  private readonly messages = inject(Messages);
  protected readonly list = asked(() => this.api.ask(DeliveryList, {}), EVERY_MS);
  protected readonly rows = computed(() =>
    (this.list.value()?.webhookDeliveries.nodes ?? []).map((delivery) => ({ ...delivery, ...(OUTCOMES[delivery.outcome ?? ''] ?? { word: 'unknown', look: 'offline' }), size: sizeWords(delivery.bytes) })),
  );
  protected readonly again = signal<Delivery | null>(null);
  protected readonly busy = signal(false);
  protected readonly mistake = signal<string | null>(null);
  private readonly dialog = viewChild.required(Dialog);

  protected ask(delivery: Delivery): void {
    this.again.set(delivery);
    this.mistake.set(null);
    this.dialog().open();
  }

  protected async replay(): Promise<void> {
    const delivery = this.again();
    if (!delivery) return;
    this.busy.set(true);
    try {
      const { replayWebhookDelivery } = await this.api.ask(ReplayDelivery, { input: { id: delivery.id } });
      if (replayWebhookDelivery.__typename === 'ReplayWebhookDeliverySuccess') {
        this.dialog().close();
        this.messages.done('The delivery was done once more.');
      } else {
        this.mistake.set(replayWebhookDelivery.message);
      }
    } catch (error) {
      this.mistake.set(words(error));
    } finally {
      this.busy.set(false);
      this.list.again();
    }
  }
}

// What the status bar says of ghost text; a click switches it on and off.

import { Widget } from '@lumino/widgets';
import type { GhostProvider } from './ghost';
import type { Settings } from './settings';

export class StatusItem extends Widget {
  constructor(
    private _provider: GhostProvider,
    private _settings: Settings
  ) {
    super({ node: document.createElement('button') });
    this.addClass('jpc-Status');
    this.node.addEventListener('click', () => _settings.toggle());
    _provider.changed.connect(this._show, this);
    _settings.changed.connect(this._show, this);
    this._show();
  }

  private _show(): void {
    const { model, why, speed, cached, prompt, mean } = this._provider.state;
    const parts = [this._settings.enabled ? 'Ghost text' : 'Ghost text off'];
    if (this._settings.enabled && why) {
      parts.push(why);
    } else if (this._settings.enabled && model) {
      parts.push(shortened(model));
      if (speed) {
        parts.push(`${speed.toFixed(0)} tokens/s`);
      }
      parts.push(`${cached} of ${prompt} tokens reused`);
    }
    this.node.textContent = parts.join(' · ');
    const measure = mean === null ? '' : ` Mean token probability of the last text: ${mean.toFixed(2)}.`;
    this.node.title = `Text that the kernel's model offers while you write.${measure} Click to switch it ${
      this._settings.enabled ? 'off' : 'on'
    }.`;
    this.node.setAttribute('aria-pressed', String(this._settings.enabled));
  }
}

function shortened(name: string): string {
  const last = name.replace(/\/+$/, '').split('/').pop() ?? name;
  return last.length <= 32 ? last : `${last.slice(0, 31)}…`;
}

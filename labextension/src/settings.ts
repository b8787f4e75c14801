// The settings of the extension; what is left empty is the kernel's (%config Complete.ghost_…).

import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { Signal } from '@lumino/signaling';

export class Settings {
  enabled = true;
  code = false;
  model = '';
  threshold: number | null = null;
  tokens: number | null = null;
  readonly changed = new Signal<Settings, void>(this);

  follow(registered: ISettingRegistry.ISettings): void {
    this._registered = registered;
    registered.changed.connect(() => this._read());
    this._read();
  }

  toggle(): void {
    this.enabled = !this.enabled;
    this.changed.emit();
    void this._registered?.set('enabled', this.enabled);
  }

  private _read(): void {
    const given = this._registered?.composite as Record<string, unknown>;
    this.enabled = given.enabled !== false;
    this.code = given.code === true;
    this.model = typeof given.model === 'string' ? given.model.trim() : '';
    this.threshold = typeof given.threshold === 'number' ? given.threshold : null;
    this.tokens = typeof given.tokens === 'number' ? given.tokens : null;
    this.changed.emit();
  }

  private _registered: ISettingRegistry.ISettings | null = null;
}

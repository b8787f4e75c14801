// A kernel's ghost text, as one notebook of this page speaks with it.
//
// Wishes travel on the control channel, as a comm_info_request about a target that jupyter_complete alone knows: the
// kernel takes them while a cell runs, and another kernel answers such a request without an error. Answers come as comm
// messages of an id that this page made up. See notebook/control_channel.py and ghost/pages.py in the package.

import type { ISessionContext } from '@jupyterlab/apputils';
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import { UUID } from '@lumino/coreutils';
import { Signal } from '@lumino/signaling';

const TARGET = 'jupyter_complete.ghost';

export interface Option {
  flags: string[];
  value: string;
  /** What the value can be, where it is one of a few. */
  values?: string[];
  help: string;
}

/** What the kernel says; `kind` tells what of the rest is there. */
export interface Told {
  kind: 'hello' | 'text' | 'end' | 'done' | 'silent' | 'again' | 'refused' | 'grown' | 'whole';
  ask?: number;
  item?: number;
  text?: string;
  mean?: number;
  model?: string;
  cached?: number;
  prompt?: number;
  tokens?: number;
  spent?: number;
  speed?: number | null;
  model_s?: number | null;
  context?: number;
  why?: string;
  reason?: string;
  options?: Option[];
  tasks?: string[];
}

export class Channel {
  /** Whether this kernel has jupyter_complete loaded. */
  known = false;
  /** Maximum number of tokens of the cells above. */
  context = 1000;
  options: Option[] = [];
  readonly told = new Signal<Channel, Told>(this);
  /** Emits when the kernel is another one, or knows nothing of what it was sent. */
  readonly lost = new Signal<Channel, void>(this);

  constructor(private _session: ISessionContext) {
    _session.kernelChanged.connect(this._begin, this);
    _session.statusChanged.connect(this._onStatus, this);
    _session.iopubMessage.connect(this._onMessage, this);
    this._begin();
  }

  /** Whether there is a kernel that takes messages. */
  get alive(): boolean {
    const kernel = this._session.session?.kernel;
    return !!kernel && kernel.connectionStatus === 'connected' && kernel.status !== 'dead';
  }

  send(payload: Record<string, unknown>): void {
    const kernel = this._session.session?.kernel;
    if (!kernel || !this.alive) {
      return;
    }
    const content = {
      target_name: TARGET,
      reply: false,
      urgent: UUID.uuid4(),
      payload: { page: this._page, ...payload }
    };
    try {
      kernel.sendControlMessage(message(kernel, content), false, true);
    } catch {
      // the kernel is gone, and nothing is to be had from it
    }
  }

  private _begin(): void {
    this.known = false;
    this._page = UUID.uuid4();
    this.lost.emit();
    const kernel = this._session.session?.kernel;
    void kernel?.info.then(info => {
      if (kernel === this._session.session?.kernel) {
        this._python = info.language_info.name === 'python';
        this._greet();
      }
    });
  }

  private _greet(): void {
    if (this._python && !this.known) {
      this.send({ do: 'hello' });
    }
  }

  private _onStatus(_: ISessionContext, status: Kernel.Status): void {
    if (status === 'restarting' || status === 'autorestarting' || status === 'dead') {
      this.known = false;
      this._page = UUID.uuid4();
      this.lost.emit();
    }
  }

  private _onMessage(_: ISessionContext, received: KernelMessage.IMessage): void {
    const type: string = received.header.msg_type;
    if (type === 'comm_msg') {
      const content = received.content as unknown as { comm_id: string; data: Told };
      if (content.comm_id === this._page) {
        this._take(content.data);
      }
    } else if (type === 'status' && !this.known) {
      const parent = received.parent_header as Partial<KernelMessage.IHeader>;
      const state = (received.content as unknown as { execution_state: string }).execution_state;
      if (state === 'idle' && parent.msg_type === 'execute_request') {
        this._greet(); // the cell may have loaded the extension
      }
    }
  }

  private _take(told: Told): void {
    if (told.kind === 'hello') {
      this.known = true;
      this.options = told.options ?? [];
    }
    this.context = told.context ?? this.context;
    this.told.emit(told);
  }

  private _page = UUID.uuid4();
  private _python = false;
}

function message(kernel: Kernel.IKernelConnection, content: unknown): KernelMessage.IControlMessage {
  const header = {
    msg_id: UUID.uuid4(),
    msg_type: 'comm_info_request',
    username: kernel.username,
    session: kernel.clientId,
    date: new Date().toISOString(),
    version: '5.3'
  };
  const made = { header, parent_header: {}, metadata: {}, buffers: [], channel: 'control', content };
  return made as unknown as KernelMessage.IControlMessage;
}

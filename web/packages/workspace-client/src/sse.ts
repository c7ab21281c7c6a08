export interface ServerSentEvent {
  /** The event's own `id`; `null` where it has none. */
  readonly id: string | null;
  readonly event: string;
  readonly data: string;
}

/**
 * Server-sent events out of bytes, which may be cut anywhere, also inside of a character or of a CRLF
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream). What is not finished by an
 * empty line is not told.
 */
export class EventStreamParser {
  #decoder = new TextDecoder();
  #rest = '';
  /** The feed of this CRLF may come with the next bytes. */
  #endedWithReturn = false;
  #id: string | null = null;
  #event = '';
  #data: string[] = [];

  push(bytes: Uint8Array): ServerSentEvent[] {
    let text = this.#rest + this.#decoder.decode(bytes, { stream: true });
    if (this.#endedWithReturn && text !== '') {
      this.#endedWithReturn = false;
      if (text.startsWith('\n')) text = text.slice(1);
    }
    const events: ServerSentEvent[] = [];
    let start = 0;
    for (const { 0: ending, index } of text.matchAll(/\r\n|\n|\r/g)) {
      const event = this.#line(text.slice(start, index));
      if (event !== null) events.push(event);
      start = index + ending.length;
    }
    this.#rest = text.slice(start);
    this.#endedWithReturn ||= text.endsWith('\r');
    return events;
  }

  /** The event that this line finishes. */
  #line(line: string): ServerSentEvent | null {
    if (line === '') return this.#finish();
    const colon = line.indexOf(':');
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1));
    if (name === 'data') this.#data.push(value);
    else if (name === 'event') this.#event = value;
    else if (name === 'id' && !value.includes('\0')) this.#id = value;
    return null;
  }

  #finish(): ServerSentEvent | null {
    const event = { id: this.#id, event: this.#event || 'message', data: this.#data.join('\n') };
    const isEmpty = this.#data.length === 0;
    this.#id = null;
    this.#event = '';
    this.#data = [];
    return isEmpty ? null : event;
  }
}

import { Cell, useCell } from '../cell';
import { useWords } from '../i18n';
import { Icon } from './Icon';

interface Toast {
  readonly id: number;
  readonly text: string;
}

const SHOWN_MILLIS = 6000;
const MOST = 4;

let lastId = 0;
const toasts = new Cell<readonly Toast[]>([]);

function dismiss(id: number): void {
  toasts.set(toasts.get().filter((toast) => toast.id !== id));
}

/** Says in passing that something was done. What a person must act on belongs in a `Notice`. */
export function toast(text: string): void {
  const id = ++lastId;
  toasts.set([...toasts.get().slice(1 - MOST), { id, text }]);
  setTimeout(() => dismiss(id), SHOWN_MILLIS);
}

export function Toasts() {
  const { t } = useWords();
  const shown = useCell(toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map(({ id, text }) => (
        <div className="toast" key={id}>
          <span>{text}</span>
          <button type="button" className="icon-button" aria-label={t.app.dismiss} onClick={() => dismiss(id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}

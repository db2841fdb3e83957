import type { ButtonHTMLAttributes } from 'react';

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: 'plain' | 'primary' | 'danger' | 'quiet';
  /** An answer is awaited: stays focusable, does nothing. */
  busy?: boolean;
  small?: boolean;
}

export function Button({ look = 'plain', busy = false, small = false, type = 'button', onClick, ...rest }: Props) {
  return (
    <button
      {...rest}
      type={busy ? 'button' : type}
      className={`button button-${look}${small ? ' button-small' : ''} ${rest.className ?? ''}`}
      aria-busy={busy || undefined}
      aria-disabled={busy || undefined}
      onClick={busy ? (event) => event.preventDefault() : onClick}
    />
  );
}

import { useMemo } from 'react';
import { useCell } from '../cell';

export function useMedia(query: string): boolean {
  const cell = useMemo(() => {
    const media = window.matchMedia(query);
    return {
      get: () => media.matches,
      subscribe: (listener: () => void) => {
        media.addEventListener('change', listener);
        return () => media.removeEventListener('change', listener);
      },
    };
  }, [query]);
  return useCell(cell);
}

/** Here a drawer covers the page; keep in step with `ui.css`. */
export function useNarrow(): boolean {
  return useMedia('(max-width: 56rem)');
}

import { useWords } from '../i18n';
import { Button } from './Button';

interface Props {
  list: { readonly hasMore: boolean; readonly more: () => unknown; readonly moreBusy: boolean };
}

/** Asks for the next page, if there is one. */
export function More({ list }: Props) {
  const { t } = useWords();
  if (!list.hasMore) return null;
  return (
    <p className="line">
      <Button busy={list.moreBusy} onClick={() => void list.more()}>
        {t.app.more}
      </Button>
    </p>
  );
}

import { Component, type ReactNode } from 'react';
import { useWords } from '../i18n';
import { Button } from '../ui/Button';

/** A fault in one page leaves the header, and with it the connection state, on the screen. */
export class CrashGuard extends Component<{ children: ReactNode }, { crashed: boolean }> {
  override state = { crashed: false };

  static getDerivedStateFromError() {
    return { crashed: true };
  }

  override render() {
    return this.state.crashed ? <Crashed /> : this.props.children;
  }
}

function Crashed() {
  const { t } = useWords();
  return (
    <div className="page page-message" role="alert">
      <p>{t.app.crashed}</p>
      <Button look="primary" onClick={() => location.reload()}>
        {t.app.reload}
      </Button>
    </div>
  );
}

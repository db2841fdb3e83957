import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app/App';
import { ConfigContext, loadConfig } from './config';
import { isWorthRetrying } from './rpc/failure';
import './rpc/link';
import { joinSession } from './rpc/session';
import './ui/tokens.css';
import './ui/base.css';
import './ui/ui.css';

const queries = new QueryClient({
  defaultOptions: {
    queries: { retry: (failures, error) => failures < 3 && isWorthRetrying(error), refetchOnWindowFocus: false },
  },
});

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no #root');
const [config] = await Promise.all([loadConfig(), joinSession()]);
createRoot(root).render(
  <StrictMode>
    <ConfigContext value={config}>
      <QueryClientProvider client={queries}>
        <App />
      </QueryClientProvider>
    </ConfigContext>
  </StrictMode>,
);

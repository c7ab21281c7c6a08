import '@mantine/core/styles.css';
import '@mantine/notifications/styles.css';
import '@fontsource-variable/inter/wght.css';
import './shared/theme/global.css';
import { localStorageColorSchemeManager, MantineProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { setNonce } from 'get-nonce';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { setOnSignedOut, setOnStaleToken } from './shared/api/client.ts';
import { ApiProblem } from './shared/api/index.ts';
import { currentLanguage, setLanguage } from './shared/i18n/index.ts';
import { forbidMarkup } from './shared/no-markup.ts';
import { SESSION_KEY } from './shared/session/index.ts';
import { theme } from './shared/theme/theme.ts';

forbidMarkup();
const nonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? '';
// For the libraries that add style sheets of their own while running.
setNonce(nonce);
setLanguage(currentLanguage(), false);

const MOST_RETRIES = 2;

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      // What was refused is refused again; only what did not get through is tried once more.
      retry: (count, error) => count < MOST_RETRIES && error instanceof ApiProblem && error.isPassing,
    },
  },
});
setOnSignedOut(() => {
  client.setQueryData(SESSION_KEY, null);
  client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== SESSION_KEY[0] });
});
setOnStaleToken(() => void client.invalidateQueries({ queryKey: SESSION_KEY }));

// After an upgrade of the server, a page that was open before asks for files that are no longer there: it starts anew.
const RELOADED = 'bursar.reloaded';
const AGAIN_MILLIS = 30_000;
window.addEventListener('vite:preloadError', (event) => {
  if (Date.now() - Number(sessionStorage.getItem(RELOADED)) < AGAIN_MILLIS) return;
  event.preventDefault();
  sessionStorage.setItem(RELOADED, String(Date.now()));
  window.location.reload();
});

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no #root');

createRoot(root).render(
  <StrictMode>
    <MantineProvider
      theme={theme}
      defaultColorScheme="auto"
      colorSchemeManager={localStorageColorSchemeManager({ key: 'bursar.appearance' })}
      getStyleNonce={() => nonce}
    >
      <QueryClientProvider client={client}>
        <Notifications position="top-right" limit={3} />
        <App />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);

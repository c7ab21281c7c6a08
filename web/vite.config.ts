import react from '@vitejs/plugin-react';
import { defaultClientConditions, defaultServerConditions } from 'vite';
import { defineConfig } from 'vitest/config';
import { precompress } from './precompress.ts';

/** Where `bursar serve --demo` listens, for `npm run dev`. */
const SERVER = 'http://127.0.0.1:8402';

/** Our own packages are taken as they are written; whoever installs them gets what was built of them. */
const SOURCE = 'bursar-source';

export default defineConfig({
  plugins: [react(), precompress()],
  resolve: { conditions: [SOURCE, ...defaultClientConditions] },
  ssr: { resolve: { conditions: [SOURCE, ...defaultServerConditions] } },
  // The server puts a new nonce in its place whenever it hands out the document.
  html: { cspNonce: 'BURSAR_CSP_NONCE' },
  build: {
    outDir: process.env['BURSAR_PAGES_DIR'] ?? '../src/bursar/pages',
    emptyOutDir: true,
    // Small pictures would be written into the style sheet as data: addresses, which the policy does not let load.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: true,
  },
  server: { proxy: Object.fromEntries(['/api', '/auth', '/v1'].map((path) => [path, SERVER])) },
  test: {
    // A loaded machine is slow, not wrong.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: 'app', include: ['src/**/*.test.{ts,tsx}'], environment: 'jsdom' } },
      {
        extends: true,
        test: {
          name: 'workspace-client',
          include: ['packages/workspace-client/tests/**/*.test.{ts,tsx}'],
          environment: 'node',
        },
      },
    ],
  },
});

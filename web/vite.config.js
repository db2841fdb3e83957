import { defineConfig } from 'vite';

const server = process.env.GAD_URL ?? 'http://localhost:8080';

export default defineConfig({
  build: {
    target: 'es2022',
    // The first browsers with `light-dark()`.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    // Nothing becomes a data: URL, so that `default-src 'self'` covers fonts too.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 400,
    rolldownOptions: {
      // `use client` speaks to frameworks that render on a server; this one does not.
      onLog: (level, log, write) => log.code !== 'MODULE_LEVEL_DIRECTIVE' && write(level, log),
    },
  },
  server: {
    proxy: Object.fromEntries(['/gad.v1.', '/v1', '/config.json'].map((path) => [path, { target: server }])),
  },
});

import { rmSync } from 'node:fs'
import vue from '@vitejs/plugin-vue'
import { defineConfig, type Plugin } from 'vite'

// The output folder also holds files of the repository, so only what an earlier build left is removed.
const dropEarlierBuild: Plugin = {
  name: 'drop-earlier-build',
  apply: 'build',
  buildStart() {
    for (const left of ['app', '.vite']) rmSync(new URL(`../static/${left}`, import.meta.url), { recursive: true, force: true })
  },
}

const server = process.env['IMTORNADO_URL'] ?? 'http://127.0.0.1:8081'

export default defineConfig({
  base: '/asset/',
  plugins: [vue({ template: { transformAssetUrls: false } }), dropEarlierBuild],
  define: { __VUE_OPTIONS_API__: 'false', __VUE_PROD_DEVTOOLS__: 'false' },
  build: {
    outDir: '../static',
    emptyOutDir: false,
    assetsDir: 'app',
    manifest: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    rolldownOptions: { input: 'src/main.ts' },
  },
  server: {
    proxy: Object.fromEntries(
      ['/user', '/contact', '/community', '/message', '/attach', '/resource', '/chat'].map((path) => [
        path,
        { target: server, ws: path === '/chat', changeOrigin: false },
      ]),
    ),
  },
})

import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

/** `npm run dev` of the web app talks to a gateway that runs on its usual port. */
export default defineConfig({
  plugins: [react()],
  build: { target: 'es2022', sourcemap: false, assetsInlineLimit: 0 },
  server: { proxy: { '/v1': 'http://127.0.0.1:8080' } },
})

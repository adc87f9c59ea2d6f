import { createApp } from 'vue'
import App from './App.vue'
import { language } from './i18n'
import { followClock } from './now'
import './style/base.css'
import './style/dialog.css'
import './style/lists.css'

followClock()
document.documentElement.lang = language.value
createApp(App).mount('#app')

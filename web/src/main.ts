import { createApp } from 'vue'
import App from './App.vue'
import { language } from './i18n'
import './style/base.css'
import './style/lists.css'

document.documentElement.lang = language.value
createApp(App).mount('#app')

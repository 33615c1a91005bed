// The Agent of Node's own fetch, under the name by which the suite imports it. It is that of undici 6: interim
// responses reach the suite's handler, which is written for undici 7, by its name for them.
await fetch('data:,')
const Own = globalThis[Symbol.for('undici.globalDispatcher.1')].constructor

export class Agent extends Own {
  compose (interceptor) {
    const dispatch = (options, handler) => {
      let collecting
      interceptor((_, told) => { collecting = told })(options, {})
      const onHeaders = (status, raw, resume, text) => {
        collecting.onResponseStart(undefined, status, fields(raw), text)
        return handler.onHeaders(status, raw, resume, text)
      }
      const get = (target, name) => {
        if (name === 'onHeaders') return onHeaders
        return typeof target[name] === 'function' ? target[name].bind(target) : target[name]
      }
      return super.dispatch(options, new Proxy(handler, { get }))
    }
    return { dispatch }
  }
}

function fields (raw) {
  const all = {}
  for (let n = 0; n < raw.length; n += 2) all[raw[n].toString().toLowerCase()] = raw[n + 1].toString()
  return all
}

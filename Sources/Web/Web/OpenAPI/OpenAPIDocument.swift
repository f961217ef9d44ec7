import HTTPTypes
import Synchronization

/// `/openapi.json`: filled by the catalogue as routes are mounted, written once.
final class OpenAPIDocument: Sendable {
    private struct State {
        var entries: [RouteCatalog.Entry] = []
        var components: [(name: String, schema: Schema)] = []
        var text: [UInt8]?
    }

    private let state = Mutex(State())

    func update(entries: [RouteCatalog.Entry], components: [(name: String, schema: Schema)]) {
        state.withLock { $0 = State(entries: entries, components: components, text: nil) }
    }

    /// The document's JSON.
    func text(title: String, version: String) -> [UInt8] {
        state.withLock { state in
            if let text = state.text { return text }
            let text = OpenAPIWriter(entries: state.entries, components: state.components).document(
                title: title, version: version
            ).utf8
            state.text = text
            return text
        }
    }
}

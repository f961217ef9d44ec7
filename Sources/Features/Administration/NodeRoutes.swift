import Hummingbird
import JobDoors
import WaybillEngine
import Web

/// `/nodes`: the processes that make up the installation.
struct NodeRoutes: Sendable {
    let feature: AdministrationFeature

    private struct View: Encodable {
        var id: String
        var host: String
        var version: String
        var role: String
        var state: String
        var startedAt: WireTime
        var lastBeatAt: WireTime
        var runningJobs: Int
        var workers: Int

        init(_ node: NodeRecord) {
            id = node.id
            host = node.host
            version = node.version
            role = node.role
            state = node.isSilent ? "silent" : "alive"
            startedAt = WireTime(node.startedAt)
            lastBeatAt = WireTime(node.lastBeatAt)
            runningJobs = node.runningJobs
            workers = node.workers
        }

        static let schema = Schema.object([
            "id": .string.described("as `executingNode` of jobs names it"), "host": .string, "version": .string,
            "role": .string.described("`all`, `api` or `worker`"),
            "state": .enumeration(["alive", "silent"]).described("silent: not heard of for as long as a lease lasts"),
            "startedAt": .dateTime, "lastBeatAt": .dateTime, "runningJobs": .integer(min: 0),
            "workers": .integer(min: 0).described("how many jobs it may run at once"),
        ])
    }

    func mount(_ catalog: RouteCatalog) {
        catalog.component("Node", View.schema)
        let list = RouteDoc(
            "listNodes", "Lists the nodes, those that started last first", tag: "administration", access: .scope(.system)
        )
        .described("One that was stopped is not among them; one that was killed is silent, and goes after an hour.").paged()
        .answer(200, "a page of nodes", .page("nodes", of: "Node"), headers: ["X-Total"])
        catalog.route(.get, "/nodes", list) { _, context in
            let paging = try Paging(context.query)
            let (nodes, total) = try await feature.engine.nodes(offset: paging.offset, limit: paging.size)
            return try JSONAnswer.list("nodes", nodes.map(View.init), paging: paging, total: total)
        }
    }
}

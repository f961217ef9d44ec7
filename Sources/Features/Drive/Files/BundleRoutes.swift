import AuditTrail
import HTTPTypes
import Hummingbird
import WaybillDatabases
import WaybillEngine
import Web

/// `/api/bundles`: files that are shown together.
struct BundleRoutes: Sendable {
    static let path = "/api/bundles"

    let feature: DriveFeature

    init(_ feature: DriveFeature) {
        self.feature = feature
    }

    private struct Body: JSONBody {
        static let fields: Set = ["name"]
        var name: String
    }

    private struct View: Encodable {
        struct Member: Encodable {
            var file: FileView
            var link: LinkView
        }

        var id: String
        var name: String
        var createdAt: WireTime
        /// With links to their bytes.
        var files: [Member]?

        init(_ bundle: FileBundle, files: [Member]? = nil) {
            id = bundle.id
            name = bundle.name
            createdAt = WireTime(bundle.createdAt)
            self.files = files
        }

        static let schema = Schema.object([
            "id": .uuid, "name": .string, "createdAt": .dateTime,
            "files": Schema.array(of: .object(["file": .ref("File"), "link": LinkView.schema])).optional,
        ])
    }

    private func doc(_ id: String, _ summary: String, _ access: RouteAccess = .scope(.filesWrite)) -> RouteDoc {
        RouteDoc(id, summary, tag: "files", access: access)
    }

    func mount(_ catalog: RouteCatalog) {
        catalog.component("Bundle", View.schema)
        let create = doc("createBundle", "Makes a bundle").body(.body(["name": .string(1...1024)]))
            .answer(201, "the bundle", .ref("Bundle"), headers: ["Location"])
        catalog.change(.post, Self.path, create) { request, context, ticket in
            let principal = try context.requirePrincipal()
            let (body, _) = try await request.json(Body.self)
            if let reason = UploadFields.wrong(name: body.name) { throw Problem.invalid("name", reason) }
            let now = feature.floor.time.now()
            let bundle = FileBundle(
                id: feature.newID(at: now), account: principal.user, name: body.name, createdAt: now)
            return try await feature.writing(for: context) { session in
                try BundleStore().insert(bundle, of: principal.tenant, in: session)
                let answer = try StoredAnswer(
                    status: 201, json: View(bundle), headers: [.location: "\(Self.path)/\(bundle.id)"])
                try ticket.settle(session, answer, auditing: AuditEntry(.bundleStore, bundle.id))
                return answer
            }
        }

        let list = doc("listBundles", "Lists one's bundles, the newest first").answer(
            200, "the bundles", .array(of: .ref("Bundle")))
        catalog.route(.get, Self.path, list) { _, context in
            let principal = try context.requirePrincipal()
            let bundles = try await feature.database.read(of: principal.tenant) {
                try BundleStore().all(of: principal.user, principal.tenant, in: $0)
            }
            return try JSONAnswer(bundles.map { View($0) })
        }
        mountOne(catalog)
    }

    private func mountOne(_ catalog: RouteCatalog) {
        let show = doc(
            "showBundle", "Shows a bundle with its files, to whom it belongs or who has a link", .scopeOrLink(.filesWrite)
        )
        .path("id", .uuid).answer(200, "the bundle", .ref("Bundle"))
        catalog.route(.get, "\(Self.path)/{id}", show) { _, context in
            let (tenant, bundle) = try await bundle(context)
            let now = feature.floor.time.now()
            let files = try await feature.database.read(of: tenant) {
                try FileStore().list(
                    FileFilter(bundle: bundle.id, order: .name, isDescending: false, limit: 1000), of: bundle.account, tenant,
                    now: now, in: $0
                ).files
            }
            let members = files.map {
                View.Member(
                    file: FileView($0),
                    link: feature.link(to: "\(FileRoutes.path)/\($0.id)/content", of: tenant, until: $0.expiresAt))
            }
            return try JSONAnswer(View(bundle, files: members))
        }

        let link = doc("linkBundle", "Signs a link to a bundle, for whoever has it").path("id", .uuid)
            .answer(200, "the link", LinkView.schema)
        catalog.route(.get, "\(Self.path)/{id}/link", link) { _, context in
            let (tenant, bundle) = try await bundle(context)
            return try JSONAnswer(feature.link(to: "\(Self.path)/\(bundle.id)", of: tenant))
        }

        let remove = doc("removeBundle", "Removes a bundle; its files stay").path("id", .uuid).answer(204, "it is gone")
        catalog.change(.delete, "\(Self.path)/{id}", remove) { _, context, ticket in
            let (tenant, bundle) = try await bundle(context)
            return try await feature.writing(for: context) { session in
                try BundleStore().remove(bundle.id, of: tenant, in: session)
                try ticket.settle(session, .noContent, auditing: AuditEntry(.bundleRemove, bundle.id))
                return StoredAnswer.noContent
            }
        }
    }

    private func bundle(_ context: WebContext) async throws -> (TenantID, FileBundle) {
        let id = try context.pathID("id")
        guard let tenant = context.tenant else { throw Problem.unauthorized("sign in first") }
        let found = try await feature.database.read(of: tenant) { try BundleStore().find(id, of: tenant, in: $0) }
        guard let found, context.principal.map({ $0.user == found.account }) ?? true else {
            throw Problem.notFound("there is no such bundle")
        }
        return (tenant, found)
    }
}

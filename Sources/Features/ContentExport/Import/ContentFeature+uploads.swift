import WaybillBlobs
import WaybillEngine

extension ContentFeature {
    private static let prefix = "uploads/"

    /// Removes uploaded files that nobody needs any more: those whose time has passed, and those that a crash, or a client who
    /// went away, has left without a job.
    public func removeUploads(olderThan retention: Duration, orphansOlderThan orphanAge: Duration, now: Timestamp) async throws {
        let old = now.advanced(by: .zero - retention).microseconds
        let grown = now.advanced(by: .zero - orphanAge).microseconds
        var after: BlobKey?
        while true {
            let page = try await blobs.list(prefix: Self.prefix, after: after, limit: 1000)
            guard let last = page.last else { return }
            let byTenant = Dictionary(grouping: page.filter { $0.modifiedAt < grown }) { Self.tenant(of: $0.key) }
            for (tenant, entries) in byTenant {
                let needed = entries.allSatisfy { $0.modifiedAt < old } ? [] : try await uploads(of: tenant)
                for entry in entries where entry.modifiedAt < old || !needed.contains(entry.key.text) {
                    try await blobs.delete(entry.key)
                }
            }
            after = last.key
        }
    }

    /// The files that the imports of a tenant came with.
    private func uploads(of tenant: TenantID?) async throws -> Set<String> {
        guard let tenant else { return [] }
        var keys: Set<String> = []
        var offset = 0
        var before = 0
        while true {
            let (jobs, total) = try await engine.list(
                JobFilter(tenant: tenant, kinds: [Self.importKind]), offset: offset, limit: 500)
            // A job that went meanwhile has moved later ones up, past the place from which the next page is read.
            guard total >= before else {
                (offset, before) = (0, total)
                continue
            }
            before = total
            for job in jobs { keys.insert(try JobCoding.decode(ContentImportInput.self, job.input).blob) }
            offset += jobs.count
            if jobs.isEmpty || offset >= total { return keys }
        }
    }

    private static func tenant(of key: BlobKey) -> TenantID? {
        let parts = key.text.split(separator: "/")
        return parts.count == 3 ? TenantID(String(parts[1])) : nil
    }
}

import Foundation

/// Content types and their items: `client.content`.
public struct ContentCalls: Sendable {
    let caller: Caller
    private static let path = ["content", "types"]

    private struct Listed: Decodable { var types: [ContentType] }

    public func types() async throws -> [ContentType] {
        try await caller.json(caller.request("GET", ContentCalls.path), as: Listed.self).types
    }

    public func type(_ name: String) async throws -> ContentType {
        try await caller.json(caller.request("GET", ContentCalls.path + [name]))
    }

    /// Makes a type, or changes it.
    /// - Parameter type: its `fields` and `readers` count.
    public func define(_ name: String, _ type: ContentType) async throws {
        let definition = ContentType(fields: type.fields, readers: type.readers)
        let request = caller.request(
            "PUT", ContentCalls.path + [name], headers: [Caller.jsonContent], body: try Caller.body(definition))
        try await caller.finish(request)
    }

    /// Removes a type and all its items.
    public func deleteType(_ name: String) async throws {
        try await caller.finish(caller.request("DELETE", ContentCalls.path + [name]))
    }

    /// Stores one item: a flat JSON object with the type's fields.
    public func put(_ item: some Encodable, id: String, type: String) async throws {
        let path = ContentCalls.path + [type, "items", id]
        try await caller.finish(caller.request("PUT", path, headers: [Caller.jsonContent], body: try Caller.body(item)))
    }

    public func item<Item: Decodable>(_ id: String, type: String, as item: Item.Type = Item.self) async throws -> Item {
        try await caller.json(caller.request("GET", ContentCalls.path + [type, "items", id]))
    }

    public func deleteItem(_ id: String, type: String) async throws {
        try await caller.finish(caller.request("DELETE", ContentCalls.path + [type, "items", id]))
    }

    /// Stores a stream of items, one JSON object a line or CSV with a header; an item with an `id` that is there replaces it.
    ///
    /// Returns when all are stored. At the first bad line the server stops: what it committed before stays.
    /// - Parameter chunks: the bytes; a chunk may end anywhere.
    public func upload<Chunks: AsyncSequence & Sendable>(
        _ chunks: Chunks, format: ItemFormat, type: String
    ) async throws -> StoredItems where Chunks.Element == [UInt8] {
        try await upload(.stream(WireBody(chunks), length: nil), format, type)
    }

    /// Stores the items of a file.
    public func upload(file path: String, format: ItemFormat, type: String) async throws -> StoredItems {
        try await upload(try LocalFile.body(path), format, type)
    }

    private func upload(_ body: WireRequest.Body, _ format: ItemFormat, _ type: String) async throws -> StoredItems {
        let headers = [(name: "Content-Type", value: format.mediaType)]
        return try await caller.json(caller.request("POST", ContentCalls.path + [type, "items"], headers: headers, body: body))
    }
}

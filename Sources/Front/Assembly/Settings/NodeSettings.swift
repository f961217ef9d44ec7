import WaybillEngine

/// What this process does for the installation.
public struct NodeSettings: Sendable, Hashable {
    public var role: NodeRole

    init(_ read: inout SettingsReader) {
        role = read.choice(
            "node.role", .all,
            "What this node does: take requests and run jobs, only the one (`api`), or only the other (`worker`).")
    }
}

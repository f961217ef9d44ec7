import NIOCore
import NIOEmbedded

enum TestChannel {
    static func make() -> any Channel { EmbeddedChannel() }
}

import Foundation
import Synchronization

/// Passes bytes between clients on a port and a server, and loses the answers to chosen commits.
final class LossyProxy: Sendable {
    enum Server: Sendable {
        case socket(String)
        /// On loopback.
        case port(UInt16)
    }

    private struct State {
        var commits = 0
        var lost = 0
        var greetings: [[UInt8]] = []
    }

    let port: UInt16
    private let listener: Int32
    private let server: Server
    private let loses: Set<Int>
    private let state = Mutex(State())

    /// - Parameter losing: counts the answers to commits of all clients from 1. Such a one is thrown away, and the connection
    ///   ended.
    init(to server: Server, losing: Set<Int> = []) throws {
        self.server = server
        loses = losing
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.loopback(port: 0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 && listen(listener, 16) == 0 && getsockname(listener, $0, &size) == 0
            }
        }
        guard isListening else { throw POSIXError(.EADDRNOTAVAIL) }
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread { [self] in
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else { return }
                serve(client)
            }
        }
    }

    /// Answers that were lost so far.
    var lost: Int { state.withLock { $0.lost } }

    /// What each client has said first: eight bytes of it.
    var greetings: [[UInt8]] { state.withLock { $0.greetings } }

    func close() { shutdown(listener, Int32(SHUT_RDWR)) }

    private func serve(_ client: Int32) {
        let server: Int32
        let isConnected: Bool
        switch self.server {
        case .socket(let path):
            server = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            isConnected = Self.connects(server, to: address)
        case .port(let port):
            server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            isConnected = Self.connects(server, to: Self.loopback(port: port))
        }
        Thread.detachNewThread { [self] in
            if isConnected { pass(client, server) }
            for descriptor in [client, server] { _ = Foundation.close(descriptor) }
        }
    }

    private static func loopback(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        address.sin_port = port.bigEndian
        return address
    }

    private static func connects<Address>(_ socket: Int32, to address: Address) -> Bool {
        withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<Address>.size)) == 0
            }
        }
    }

    /// Until one side ends, or an answer is to be lost.
    private func pass(_ client: Int32, _ server: Int32) {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var hasGreeted = false
        while true {
            var sides = [client, server].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard poll(&sides, 2, -1) > 0 else { return }
            for (side, other) in [(sides[0], server), (sides[1], client)] where side.revents != 0 {
                let count = recv(side.fd, &buffer, buffer.count, 0)
                guard count > 0 else { return }
                if side.fd == client, !hasGreeted {
                    hasGreeted = true
                    state.withLock { $0.greetings.append(Array(buffer.prefix(min(count, 8)))) }
                }
                if side.fd == server, isChosen(buffer.prefix(count)) { return state.withLock { $0.lost += 1 } }
                guard send(other, buffer, count, Int32(MSG_NOSIGNAL)) == count else { return }
            }
        }
    }

    private func isChosen(_ bytes: ArraySlice<UInt8>) -> Bool {
        // What a client asks for need not say so: a statement that is prepared goes by a name.
        guard bytes.contains("COMMIT\0".utf8) else { return false }
        return state.withLock { state in
            state.commits += 1
            return loses.contains(state.commits)
        }
    }
}

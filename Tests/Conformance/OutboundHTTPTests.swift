import Foundation
import OutboundHTTP
import Testing

@Suite struct OutboundHTTPTests {
    /// A server of somebody else: `/ok`, `/moved` to it, `/missing`, `/large`, `/slow`, `/drip`.
    private static let program = """
        import http.server, sys, time
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path == '/ok': self.say(200, b'fine ' + self.headers['Accept'].encode())
                elif self.path == '/moved':
                    self.send_response(302); self.send_header('Location', '/ok'); self.end_headers()
                elif self.path == '/large': self.say(200, b'x' * 5000)
                elif self.path == '/slow': time.sleep(60)
                elif self.path == '/drip':
                    self.send_response(200); self.end_headers()
                    while True: self.wfile.write(b'x'); self.wfile.flush(); time.sleep(0.05)
                else: self.say(404, b'no')
            def say(self, status, body):
                self.send_response(status); self.send_header('Content-Length', str(len(body))); self.end_headers()
                self.wfile.write(body)
            def log_message(self, *a): pass
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        print(server.server_address[1], flush=True)
        server.serve_forever()
        """

    private func withServer(_ body: (String, OutboundHTTP) async throws -> Void) async throws {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "-c", Self.program]
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        defer { process.terminate() }
        var line = ""
        while !line.hasSuffix("\n"), let byte = try output.fileHandleForReading.read(upToCount: 1), !byte.isEmpty {
            line += String(decoding: byte, as: UTF8.self)
        }
        let http = OutboundHTTP()
        do {
            try await body("http://127.0.0.1:\(line.dropLast())", http)
        } catch {
            try await http.close()
            throw error
        }
        try await http.close()
    }

    private func message(_ http: OutboundHTTP, _ url: String, timeout: Duration = .seconds(20)) async -> String? {
        let error = await #expect(throws: OutboundHTTPError.self, "\(url)") {
            try await http.get(url, accept: "a/b", bytesMax: 4096, timeout: timeout)
        }
        return error?.message
    }

    @Test("a document is had; a redirect, another status, too many bytes and too much time are refused", .timeLimit(.minutes(5)))
    func get() async throws {
        try await withServer { address, http in
            let body = try await http.get("\(address)/ok", accept: "a/b", bytesMax: 4096, timeout: .seconds(20))
            #expect(String(decoding: body, as: UTF8.self) == "fine a/b")
            #expect(await message(http, "\(address)/moved") == "it answered 302")
            #expect(await message(http, "\(address)/missing") == "it answered 404")
            #expect(await message(http, "\(address)/large") == "the document has more than 4096 bytes")
            for path in ["slow", "drip"] {
                #expect(await message(http, "\(address)/\(path)", timeout: .milliseconds(300)) != nil)
            }
            #expect(await message(http, "http://127.0.0.1:1/") != nil)
        }
    }
}

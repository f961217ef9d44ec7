import Testing
import WaybillEngine

@testable import Web

@Suite struct LinkSignerTests {
    private let now = Timestamp(microseconds: 1_795_305_600_000_000)
    private let path = "/content/export/018f/download"

    private func signer(_ key: String = "a key for tests, thirty-two bytes or more") throws -> LinkSigner {
        LinkSigner(try #require(SigningKey(text: key)))
    }

    private func query(_ signer: LinkSigner) throws -> String {
        signer.sign(
            path: path, query: [("part", "2")], tenant: try #require(TenantID("acme")), expires: now.advanced(by: .seconds(60)))
    }

    @Test("a link stands for its tenant until it ends")
    func valid() throws {
        let signer = try signer()
        let query = try query(signer)
        #expect(query.hasPrefix("part=2&tenant=acme&expires=1795305660&key="))
        #expect(try signer.verify(path: path, query: query, now: now).tenant.text == "acme")
        let late = #expect(throws: Problem.self) {
            try signer.verify(path: path, query: query, now: now.advanced(by: .seconds(60)))
        }
        #expect(late?.kind == .linkExpired)
    }

    @Test("whatever is added, dropped, repeated, reordered, written otherwise or changed breaks the link")
    func tampered() throws {
        let signer = try signer()
        let query = try query(signer)
        let parts = query.split(separator: "&").map(String.init)
        var bad = [
            "", "signature=", "&signature=", query + "&", "&" + query, query + "&x=1", "x=1&" + query, query + "&part=2",
            query + "&signature=x",
            query.replacing("part=2", with: "part=3"), query.replacing("part=2&", with: ""),
            query.replacing("part=2", with: "part=%32"),
            query.replacing("acme", with: "acmf"), query.replacing("acme", with: "ACME"),
            query.replacing("expires", with: "Expires"),
            query.replacing("1795305660", with: "1795305661"), query.replacing("1795305660", with: "01795305660"),
            query.replacing("1795305660", with: "99999999999999999999"), query.replacing("signature", with: "Signature"),
            query.replacing("key=", with: "key=x"), String(query.dropLast()), query + "A", query + "=",
            query.replacing("&signature", with: "&&signature"),
            query.replacing("&signature=", with: "&disposition=inline&signature="),
        ]
        for index in parts.indices {
            var fewer = parts
            fewer.remove(at: index)
            bad.append(fewer.joined(separator: "&"))
            bad.append((parts + [parts[index]]).joined(separator: "&"))
            if index > 0 {
                var swapped = parts
                swapped.swapAt(index - 1, index)
                bad.append(swapped.joined(separator: "&"))
            }
        }
        for text in bad {
            let problem = #expect(throws: Problem.self, "\(text)") { try signer.verify(path: path, query: text, now: now) }
            #expect(problem?.kind == .badSignature, "\(text)")
        }
    }

    @Test("a link does not open another path, nor one of another key")
    func others() throws {
        let signer = try signer()
        let query = try query(signer)
        for other in [path + "/", path.uppercased(), "/content/export/018e/download", ""] {
            #expect(throws: Problem.self) { try signer.verify(path: other, query: query, now: now) }
        }
        let stranger = try self.signer("another key for tests, also long enough")
        #expect(throws: Problem.self) { try stranger.verify(path: path, query: query, now: now) }
    }

    @Test("a query that tries to be signed is known as one")
    func isSigned() {
        for query in ["signature=x", "a=1&signature", "Signature=x", "%73ignature=x"] { #expect(LinkSigner.isSigned(query)) }
        for query in ["", "a=signature", "sig=1"] { #expect(!LinkSigner.isSigned(query)) }
    }
}

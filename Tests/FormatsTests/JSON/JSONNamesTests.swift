import Formats
import Testing

@Suite struct JSONNamesTests {
    @Test("a name that differs in one byte is another, however long it is")
    func oneByte() {
        for length in 1...40 {
            let name = [UInt8](repeating: 0x61, count: length)
            let names = JSONNames([String(decoding: name, as: UTF8.self)])
            #expect(name.exact { names.place(of: $0, guess: 0) } == 0)
            for place in 0..<length {
                var other = name
                other[place] = 0x62
                #expect(other.exact { names.place(of: $0, guess: 0) } == nil)
            }
        }
    }

    @Test("a name is found at the guess, away from it, and not at all")
    func places() {
        let names = JSONNames(["id", "name", "größe", "", "id"])
        func place(_ name: String, _ guess: Int) -> Int? { [UInt8](name).exact { names.place(of: $0, guess: guess) } }
        #expect(names.count == 5)
        for guess in [-1, 0, 1, 2, 3, 5, .max] {
            #expect(place("id", guess) == 0)
            #expect(place("name", guess) == 1)
            #expect(place("größe", guess) == 2)
            #expect(place("", guess) == 3)
            #expect(place("nam", guess) == nil)
            #expect(place("names", guess) == nil)
        }
        #expect(place("id", 4) == 4)
        #expect(JSONNames([]).count == 0)
    }
}

// SPDX-License-Identifier: MIT
//
// Compiled to measure its cost: a class of 50 described members, 30 of them data and 20 methods, of
// which 20 are used.
#include <map>
#include <string>
#include <vector>

#include "remoteobj/remoteobj.h"

namespace bench {

struct Fifty {
  int i0, i1, i2, i3, i4, i5, i6, i7, i8, i9;
  double d0, d1, d2, d3, d4;
  std::string s0, s1, s2, s3, s4;
  std::vector<int> v0, v1, v2, v3, v4;
  std::map<std::string, int> m0, m1, m2, m3, m4;

  int A0() { return i0; }
  int A1() { return i1; }
  int A2() { return i2; }
  int A3() { return i3; }
  int A4() { return i4; }
  int B0(int x) { return x; }
  int B1(int x) { return x; }
  int B2(int x) { return x; }
  int B3(int x) { return x; }
  int B4(int x) { return x; }
  std::string C0(std::string x) const { return x; }
  std::string C1(std::string x) const { return x; }
  std::string C2(std::string x) const { return x; }
  std::string C3(std::string x) const { return x; }
  std::string C4(std::string x) const { return x; }
  void D0(double x) { d0 = x; }
  void D1(double x) { d1 = x; }
  void D2(double x) { d2 = x; }
  void D3(double x) { d3 = x; }
  void D4(double x) { d4 = x; }
};
REMOTEOBJ_DESCRIBE(Fifty, i0, i1, i2, i3, i4, i5, i6, i7, i8, i9, d0, d1, d2, d3, d4, s0, s1, s2,
                   s3, s4, v0, v1, v2, v3, v4, m0, m1, m2, m3, m4, A0, A1, A2, A3, A4, B0, B1, B2,
                   B3, B4, C0, C1, C2, C3, C4, D0, D1, D2, D3, D4)

// 20 members: gets, sets, calls, items.
double UseTwenty(const remoteobj::Proxy<Fifty>& remote) {
  remote->i0 = 1;
  remote->i1 = 2;
  remote->d0 = 3;
  remote->s0 = "four";
  remote->v0->push_back(5);
  remote->D0(6.0);
  remote->D1(7.0);
  const std::string text = *remote->s1 + *remote->s2 + remote->C0("x") + remote->C1("y");
  return *remote->i2 + *remote->i3 + *remote->d1 + *remote->d2 + *remote->v1[0] + *remote->m0["a"] +
         remote->A0() + remote->A1() + remote->B0(1) + static_cast<double>(text.size());
}

}  // namespace bench

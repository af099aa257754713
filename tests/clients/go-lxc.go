// Copies the container NAME, and has as many goroutines as copies start, look into, attach to and stop one each, all at
// once, for some rounds: many NAME COUNT ROUNDS. Prints what the process has more of afterwards, or "unchanged".
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	lxc "gopkg.in/lxc/go-lxc.v2"
)

func count(dir string) int {
	entries, err := os.ReadDir(dir)
	if err != nil {
		panic(err)
	}
	return len(entries)
}

// A child that nobody waited for.
func child() bool {
	var status syscall.WaitStatus
	_, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
	return err != syscall.ECHILD
}

func check(what string, err error) {
	if err != nil {
		fmt.Printf("%s: %v\n", what, err)
		os.Exit(1)
	}
}

func life(name string, round int) {
	c, err := lxc.NewContainer(name)
	check("new", err)
	defer c.Release()
	check("start "+name, c.Start())
	if !c.Wait(lxc.RUNNING, 30*time.Second) || c.InitPid() <= 1 {
		check("run "+name, fmt.Errorf("it does not run"))
	}
	code, err := c.RunCommandStatus([]string{"sh", "-c", "exit " + strconv.Itoa(round+3)}, lxc.DefaultAttachOptions)
	check("attach "+name, err)
	if code != round+3 {
		check("attach "+name, fmt.Errorf("its command ended with %d", code))
	}
	if c.ConfigItem("lxc.uts.name")[0] == "" {
		check("look into "+name, fmt.Errorf("it has no name"))
	}
	check("stop "+name, c.Stop())
}

func main() {
	number, _ := strconv.Atoi(os.Args[2])
	rounds, _ := strconv.Atoi(os.Args[3])
	source, err := lxc.NewContainer(os.Args[1])
	check("new", err)
	names := make([]string, number)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%d", os.Args[1], i)
		check("clone", source.Clone(names[i], lxc.CloneOptions{}))
	}
	descriptors, threads := 0, 0
	for round := 0; round < rounds; round++ {
		var all sync.WaitGroup
		for _, name := range names {
			all.Add(1)
			go func(name string) {
				defer all.Done()
				life(name, round)
			}(name)
		}
		all.Wait()
		// The first round makes what Go keeps: its threads, and descriptors to wait with.
		if round == 0 {
			descriptors, threads = count("/proc/self/fd"), count("/proc/self/task")
		}
	}
	for _, name := range names {
		c, err := lxc.NewContainer(name)
		check("new", err)
		check("destroy", c.Destroy())
		c.Release()
	}
	more := []int{count("/proc/self/fd") - descriptors, count("/proc/self/task") - threads}
	if more[0] > 0 || more[1] > number || child() {
		fmt.Printf("more descriptors: %d; more threads: %d; a child is left: %v\n", more[0], more[1], child())
		os.Exit(1)
	}
	fmt.Println("unchanged")
}
